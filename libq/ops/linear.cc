// linear: y = clamp(x * weight^T + bias, min, max) over the last axis of x.
#include <memory>
#include <type_traits>

#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/gemm.h"
#include "ops/shared/gemm_onnx.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape &input = in[0].shape, &weight = in[1].shape;
  if (input.rank < 1) throw Error(ErrorKind::kInvalid, "input is a scalar, wanted rank 1 or more");
  if (weight.rank != 2 || weight[0] < 1 || weight[1] < 1)
    throw Error(ErrorKind::kInvalid, text("weight is ", to_string(weight), ", wanted [outputs, inputs]"));
  if (input[input.rank - 1] != weight[1])
    throw Error(ErrorKind::kInvalid, text("weight is ", to_string(weight), ", input is ", to_string(input),
                                          ", wanted a last extent of ", weight[1]));
  check_bias(in, weight[0]);
  check_clamp(attrs);
  Shape out = input;
  out[out.rank - 1] = weight[0];
  return {out};
}

void samples(const Attrs&, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  const int axis = free_axis(in[0].shape);
  if (axis == in[0].shape.rank - 1) throw mixes_samples(text("a sum over axis ", axis));
}

int64_t macs(const Attrs&, std::span<const TensorType> in, const Shape& out) {
  return count_macs(out, in[1].shape[1]);
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape& weight = call.in[1].shape;
  const WeightsShape shape{.groups = 1, .columns = weight[0], .k = weight[1], .taps = 1};
  const int64_t rows = elements(call.in[0].shape) / shape.k;
  return [gemm = std::make_shared<const Gemm<T>>(
              plan_gemm(weights_of<T>(call, shape), dense_rows(rows, shape.k), call.kernels)),
          epilogue = call.epilogue](const RunCall& run) {
    run_gemm(*gemm, run.in[0].template as<T>(), run.out[0].template as<T>(), part_done(epilogue, run));
  };
}

// ---- ONNX ----

// Weights [K, N] as [N, K].
Tensor transposed(const Tensor& weight) {
  const int64_t k = weight.type.shape[0], n = weight.type.shape[1];
  Tensor out = make_tensor(DType::kF32, Shape{n, k});
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < n; ++j) out.as<float>()[j * k + i] = weight.as<float>()[i * n + j];
  }
  out.type.qparams = weight.type.qparams;
  if (out.type.qparams && is_per_channel(out.type.qparams->scheme))
    out.type.qparams->axis = 1 - out.type.qparams->axis;
  return out;
}

void replace(OnnxNode::Input& input, Tensor tensor) {
  input.type = tensor.type;
  input.constant = std::move(tensor);
}

void rearrange_weight(OnnxNode& node, bool is_transposed, float factor) {
  if (!is_transposed && factor == 1) return;
  Tensor weight = onnx_constant(node, 1, "weight");
  if (is_transposed) weight = transposed(weight);
  if (factor != 1) weight = scaled(weight, factor);
  replace(node.inputs[1], std::move(weight));
}

// A product of what is computed, or with a transposed input, is a matmul.
bool is_linear_gemm(const OnnxNode& node) {
  const auto found = node.attrs.find("transA");
  const bool transposed = found != node.attrs.end() && found->second != Attr(int64_t{0});
  return node.inputs.at(1).constant && !transposed;
}

bool map_gemm(OnnxNode& node) {
  if (!is_linear_gemm(node)) return false;
  node.attrs.erase("transA");
  const bool transpose_weight = take_attr<int64_t>(node.attrs, "transB", 0) == 0;
  const float alpha = static_cast<float>(take_attr<double>(node.attrs, "alpha", 1));
  const float beta = static_cast<float>(take_attr<double>(node.attrs, "beta", 1));
  if (node.inputs.at(1).type.shape.rank != 2)
    throw Error(ErrorKind::kInvalid,
                text("weight is ", to_string(node.inputs[1].type.shape), ", wanted rank 2"));
  rearrange_weight(node, transpose_weight, alpha);
  rearrange_bias(node, node.inputs[1].type.shape[0], beta);
  return true;
}

bool map_matmul(OnnxNode& node) {
  if (!node.inputs.at(1).constant || node.inputs[1].type.shape.rank != 2) return false;
  replace(node.inputs[1], transposed(onnx_constant(node, 1, "weight")));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Gemm", 7, map_gemm}, {"MatMul", 7, map_matmul}};

constexpr AttrSpec kAttrs[] = {
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr Shape kOneRow[] = {{1, 64}, {65, 64}, {65}};  // one column beyond a vector
constexpr Shape kOdd[] = {{7, 63}, {10, 63}, {10}};     // k that is no multiple of 4
constexpr Shape kSmallest[] = {{1}, {1, 1}, {1}};
constexpr Shape kRank3[] = {{2, 5, 33}, {17, 33}};
constexpr Case kCases[] = {
    {.attrs = "", .inputs = kOneRow, .constants_from = 1},
    {.attrs = "min=0", .inputs = kOdd, .constants_from = 1},
    {.attrs = "", .inputs = kSmallest, .constants_from = 1},
    {.attrs = "min=-1;max=1", .inputs = kRank3, .constants_from = 1},
};

}  // namespace

extern const OpDef op_linear;
constinit const OpDef op_linear = {
    .name = "linear",
    .doc = "x [..., K] times the transpose of weight [N, K], plus bias [N], clamped to [min, max]",
    .inputs_min = 2,
    .inputs_max = 3,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .weight = 1,
    .bias = 2,
    .weight_axis = 0,
    .channel_axis = -1,
    .takes_epilogue = true,
    .infer = infer,
    .samples = samples,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .macs = macs,
    .cases = kCases,
};

}  // namespace q
