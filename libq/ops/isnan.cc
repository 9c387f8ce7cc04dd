// isnan: 1 where x is NaN, else 0.
#include "ops/shared/samples.h"
#include "ops/shared/truth.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float is_nan(float x) { return x != x ? 1.f : 0.f; }

constexpr OnnxName kOnnx[] = {{"IsNaN", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_isnan;
constinit const OpDef op_isnan = {
    .name = "isnan",
    .doc = "1 where x is NaN, else 0, elementwise",
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = kTruthEnd,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<is_nan>,
    .unary = call_function<is_nan>,
    .cases = kCases,
};

}  // namespace q
