#include "ops/shared/gemm_onnx.h"

#include <utility>

#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/weights.h"

namespace q {

namespace {

// A constant of shape [N], [1,N], [1] or [] as [N].
Tensor expanded(const Tensor& bias, int64_t channels) {
  const int64_t count = elements(bias.type.shape);
  const int64_t last = bias.type.shape.rank == 0 ? 1 : bias.type.shape[bias.type.shape.rank - 1];
  if (count != last || (count != channels && count != 1) || is_free(channels))
    throw Error(ErrorKind::kUnsupported,
                text("bias is ", to_string(bias.type.shape), ", wanted ", to_string(Shape{channels})));
  Tensor out = make_tensor(DType::kF32, Shape{channels});
  for (int64_t i = 0; i < channels; ++i) out.as<float>()[i] = bias.as<float>()[count == 1 ? 0 : i];
  return out;
}

}  // namespace

Tensor scaled(const Tensor& values, float factor) {
  Tensor out = make_tensor(DType::kF32, values.type.shape);
  const int64_t count = elements(values.type.shape);
  for (int64_t i = 0; i < count; ++i) out.as<float>()[i] = values.as<float>()[i] * factor;
  return out;
}

void rearrange_bias(OnnxNode& node, int64_t channels, float beta) {
  drop_absent_bias(node);
  if (node.inputs.size() < 3 || !node.inputs[2].used) return;
  if (beta == 1 && node.inputs[2].type.shape == Shape{channels}) return;
  Tensor bias = expanded(onnx_constant(node, 2, "bias"), channels);
  if (beta != 1) bias = scaled(bias, beta);
  node.inputs[2].type = bias.type;
  node.inputs[2].constant = std::move(bias);
}

}  // namespace q
