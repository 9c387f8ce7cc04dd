// erf: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Erf", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_erf;
constinit const OpDef op_erf = {
    .name = "erf",
    .doc = "the error function of x, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::erf>>,
    .unary = call_function<narrowed<q::erf>>,
    .cases = kCases,
};

}  // namespace q
