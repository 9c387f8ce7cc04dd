// ceil: the least whole number from x on.
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float whole_above(float x) { return std::ceil(x); }

constexpr OnnxName kOnnx[] = {{"Ceil"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_ceil;
constinit const OpDef op_ceil = {
    .name = "ceil",
    .doc = "the least whole number from x on, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<whole_above>,
    .unary = call_function<whole_above>,
    .cases = kCases,
};

}  // namespace q
