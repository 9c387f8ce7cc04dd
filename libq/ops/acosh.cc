// acosh: log(x + sqrt(x^2 - 1)).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Acosh", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = 1.5f, .hi = 8},
    {.inputs = kOdd, .lo = 2, .hi = 4},
};

}  // namespace

extern const OpDef op_acosh;
constinit const OpDef op_acosh = {
    .name = "acosh",
    .doc = "log(x + sqrt(x^2 - 1)), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::acosh>>,
    .unary = call_function<narrowed<q::acosh>>,
    .cases = kCases,
};

}  // namespace q
