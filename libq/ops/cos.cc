// cos: the cosine of x.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Cos"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -8, .hi = 8},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_cos;
constinit const OpDef op_cos = {
    .name = "cos",
    .doc = "the cosine of x, in radians, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::cos>>,
    .unary = call_function<narrowed<q::cos>>,
    .cases = kCases,
};

}  // namespace q
