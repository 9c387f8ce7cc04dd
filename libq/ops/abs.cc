// abs: |x|.
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float magnitude(float x) { return std::abs(x); }

constexpr OnnxName kOnnx[] = {{"Abs"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_abs;
constinit const OpDef op_abs = {
    .name = "abs",
    .doc = "x without its sign, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<magnitude>,
    .unary = call_function<magnitude>,
    .cases = kCases,
};

}  // namespace q
