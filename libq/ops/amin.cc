// amin: the least x over axes.
#include "ops/shared/move.h"
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, PickExtreme<-1>{}); }

Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);  // integers are picked, so they must mean the same
  return compile_reduce<uint8_t, uint8_t>(
      call, [](uint8_t q) { return static_cast<float>(q); }, PickExtreme<-1>{},
      [](const double* y, int64_t n, uint8_t* out) {
        for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(y[i]);
      });
}

constexpr OnnxName kOnnx[] = {{"ReduceMin", 7, map_reduce}};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage, .lo = -3, .hi = -1},
    {.attrs = "axes=-1;keepdims=0", .inputs = kRows},
    {.attrs = "axes=1", .inputs = kWide, .lo = 1, .hi = 3},
    {.attrs = "keepdims=0", .inputs = kRows},
};

}  // namespace

extern const OpDef op_amin;
constinit const OpDef op_amin = {
    .name = "amin",
    .doc = "least element of x over axes",
    .attrs = kReduceAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kAsInput,
    .infer = infer_reduce,
    .samples = samples_reduce,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
