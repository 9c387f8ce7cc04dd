// dequantize: integers as floats: scale * (q - zero_point).
#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

Run compile(const CompileCall& call) {
  const AffineU8 from = affine_of(call.in[0], "input");
  if (call.out[0].dtype != DType::kF32)
    throw Error(ErrorKind::kInvalid, text("output is ", name_of(call.out[0].dtype), ", wanted f32"));
  return
      [count = elements(call.out[0].shape), kernel = call.kernels.dequantize_u8, from](const RunCall& run) {
        parallel_blocks(count, kGrain, [&](int64_t first, int64_t end) {
          kernel(run.in[0].as<uint8_t>() + first, static_cast<size_t>(end - first), from,
                 run.out[0].as<float>() + first);
        });
      };
}

constexpr OnnxName kOnnx[] = {{"DequantizeLinear", 10}};

constexpr Shape kOdd[] = {{3, 17}};
constexpr Shape kImage[] = {{1, 3, 8, 8}};
constexpr Case kCases[] = {{.inputs = kOdd}, {.inputs = kImage, .lo = -5, .hi = 1}};

}  // namespace

extern const OpDef op_dequantize;
constinit const OpDef op_dequantize = {
    .name = "dequantize",
    .doc = "the reals that the integers x mean",
    .onnx = kOnnx,
    .qrule = QRule::kFloat,
    .infer = infer_same,
    .samples = samples_anywhere,
    .quant = compile,
    .cases = kCases,
};

}  // namespace q
