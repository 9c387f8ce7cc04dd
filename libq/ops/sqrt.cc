// sqrt: the square root of x.
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float square_root(float x) { return std::sqrt(x); }

constexpr OnnxName kOnnx[] = {{"Sqrt"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = 0.25f, .hi = 4},
    {.inputs = kOdd, .lo = 0, .hi = 2},
};

}  // namespace

extern const OpDef op_sqrt;
constinit const OpDef op_sqrt = {
    .name = "sqrt",
    .doc = "the square root of x; NaN below 0, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<square_root>,
    .unary = call_function<square_root>,
    .cases = kCases,
};

}  // namespace q
