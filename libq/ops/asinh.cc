// asinh: log(x + sqrt(x^2 + 1)).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Asinh", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_asinh;
constinit const OpDef op_asinh = {
    .name = "asinh",
    .doc = "log(x + sqrt(x^2 + 1)), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::asinh>>,
    .unary = call_function<narrowed<q::asinh>>,
    .cases = kCases,
};

}  // namespace q
