// logical_not: 1 where x is 0, else 0.
#include "ops/shared/samples.h"
#include "ops/shared/truth.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float is_zero(float x) { return x == 0 ? 1.f : 0.f; }

constexpr OnnxName kOnnx[] = {{"Not"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow},
    {.inputs = kOdd, .lo = 0, .hi = 1},
};

}  // namespace

extern const OpDef op_logical_not;
constinit const OpDef op_logical_not = {
    .name = "logical_not",
    .doc = "1 where x is 0, else 0, elementwise",
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = kTruthEnd,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<is_zero>,
    .unary = call_function<is_zero>,
    .cases = kCases,
};

}  // namespace q
