// quantize: floats, or integers of another scale, as integers: clamp(rint(x * (1 / scale)) + zero_point,
// quant_min, quant_max).
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
  const ToU8 to = to_u8_of(call.out[0]);
  if (call.in[0].dtype == DType::kU8)
    return compile_lookup(call, table_of(call.in[0], call.out[0], [](float x) { return x; }));
  if (call.in[0].dtype != DType::kF32)
    throw Error(ErrorKind::kUnsupported, text("input is ", name_of(call.in[0].dtype), ", wanted f32 or u8"));
  return [count = elements(call.out[0].shape), kernel = call.kernels.quantize_u8, to](const RunCall& run) {
    parallel_blocks(count, kGrain, [&](int64_t first, int64_t end) {
      kernel(run.in[0].as<float>() + first, static_cast<size_t>(end - first), to,
             run.out[0].as<uint8_t>() + first);
    });
  };
}

constexpr OnnxName kOnnx[] = {{"QuantizeLinear", 10}};

constexpr Shape kOdd[] = {{3, 17}};
constexpr Shape kImage[] = {{1, 3, 8, 8}};
constexpr Case kCases[] = {{.inputs = kOdd}, {.inputs = kImage, .lo = -5, .hi = 1}};

}  // namespace

extern const OpDef op_quantize;
constinit const OpDef op_quantize = {
    .name = "quantize",
    .doc = "x as integers of the output's scale and zero point",
    .onnx = kOnnx,
    .qrule = QRule::kFloat,
    .infer = infer_same,
    .samples = samples_anywhere,
    .quant = compile,
    .cases = kCases,
};

}  // namespace q
