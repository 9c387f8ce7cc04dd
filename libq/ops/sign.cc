// sign: 1 above 0, -1 below, else 0.
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float sign_of(float x) { return static_cast<float>(x > 0) - static_cast<float>(x < 0); }

constexpr OnnxName kOnnx[] = {{"Sign", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_sign;
constinit const OpDef op_sign = {
    .name = "sign",
    .doc = "1 above 0, -1 below, else 0 (of NaN too, as torch), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<sign_of>,
    .unary = call_function<sign_of>,
    .cases = kCases,
};

}  // namespace q
