// reciprocal: 1 / x.
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float inverse(float x) { return 1.f / x; }

constexpr OnnxName kOnnx[] = {{"Reciprocal"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = 0.25f, .hi = 4},
    {.inputs = kOdd, .lo = -2, .hi = -0.5f},
};

}  // namespace

extern const OpDef op_reciprocal;
constinit const OpDef op_reciprocal = {
    .name = "reciprocal",
    .doc = "1 / x, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<inverse>,
    .unary = call_function<inverse>,
    .cases = kCases,
};

}  // namespace q
