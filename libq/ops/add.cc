// add: clamp(a + b, min, max).
#include <utility>

#include "ops/shared/binary.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) { return compile_binary_f32(call, call.kernels.add_f32); }

// Q(D(a) + D(b)), the scalar form of torch's quantized::add.
Run compile_quant(const CompileCall& call) {
  const AffineU8 a = affine_of(call.in[0], "a"), b = affine_of(call.in[1], "b");
  const ToU8 to = to_u8_of(call.out[0], static_cast<float>(attr_float(call.attrs, "min")),
                           static_cast<float>(attr_float(call.attrs, "max")));
  return compile_broadcast<uint8_t>(
      call, [=, kernel = call.kernels.add_u8](const uint8_t* x, const uint8_t* y, size_t n, uint8_t* out) {
        kernel(x, y, n, a, b, to, out);
      });
}

// x - c is x + -c, to the bit; sub takes what is computed.
bool map_sub(OnnxNode& node) {
  if (!node.inputs.at(1).constant) return false;
  const Tensor& constant = onnx_constant(node, 1, "what is subtracted");
  Tensor negated = make_tensor(DType::kF32, constant.type.shape);
  for (int64_t i = 0; i < elements(constant.type.shape); ++i)
    negated.as<float>()[i] = -constant.as<float>()[i];
  node.inputs[1].constant = std::move(negated);
  return true;
}

bool map_sum(OnnxNode& node) { return node.inputs.size() == 2; }  // add_n takes others

constexpr OnnxName kOnnx[] = {{"Add"}, {"Sub", 7, map_sub}, {"Sum", 7, map_sum}};

constexpr Shape kResidual[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{2, 3, 5, 7}, {3, 1, 1}};  // one operand stays along rows
constexpr Shape kRow[] = {{1, 300}, {3, 300}};              // longer than a block
constexpr Shape kBothSpread[] = {{4, 1, 9}, {1, 5, 1}};
constexpr Shape kScalar[] = {{7, 11}, {}};
constexpr Case kCases[] = {
    {.inputs = kResidual},
    {.attrs = "min=0", .inputs = kResidual},
    {.attrs = "min=0;max=0.5", .inputs = kPerChannel, .constants_from = 1},
    {.inputs = kRow},
    {.inputs = kBothSpread},
    {.inputs = kScalar, .constants_from = 1},
};

}  // namespace

extern const OpDef op_add;
constinit const OpDef op_add = {
    .name = "add",
    .doc = "a + b, broadcast as numpy does, clamped to [min, max]",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kBinaryAttrs,
    .onnx = kOnnx,
    .infer = infer_binary,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
