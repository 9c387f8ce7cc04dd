// neg: -x.
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float negative(float x) { return -x; }

constexpr OnnxName kOnnx[] = {{"Neg"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_neg;
constinit const OpDef op_neg = {
    .name = "neg",
    .doc = "x with the other sign, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<negative>,
    .unary = call_function<negative>,
    .cases = kCases,
};

}  // namespace q
