// tan: sin(x) / cos(x).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Tan"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.25f},
};

}  // namespace

extern const OpDef op_tan;
constinit const OpDef op_tan = {
    .name = "tan",
    .doc = "the tangent of x, in radians, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::tan>>,
    .unary = call_function<narrowed<q::tan>>,
    .cases = kCases,
};

}  // namespace q
