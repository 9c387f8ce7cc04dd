// sinh: (exp(x) - exp(-x)) / 2.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Sinh", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -3, .hi = 3},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_sinh;
constinit const OpDef op_sinh = {
    .name = "sinh",
    .doc = "(exp(x) - exp(-x)) / 2, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::sinh>>,
    .unary = call_function<narrowed<q::sinh>>,
    .cases = kCases,
};

}  // namespace q
