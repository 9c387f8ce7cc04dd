// mish: x * tanh(log(1 + exp(x))).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

// With e = exp(x), tanh(log(1 + e)) is ((1 + e)^2 - 1) / ((1 + e)^2 + 1); 1 to the last bit where x is large.
float mish_of(float x) {
  if (x > 40) return x;
  const double e = q::exp(static_cast<double>(x)), above = e * (e + 2);
  return static_cast<float>(x * (above / (above + 2)));
}

constexpr OnnxName kOnnx[] = {{"Mish", 18}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -8, .hi = 8},
    {.inputs = kOdd, .lo = -0.5f, .hi = 2},
};

}  // namespace

extern const OpDef op_mish;
constinit const OpDef op_mish = {
    .name = "mish",
    .doc = "x * tanh(log(1 + exp(x))), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<mish_of>,
    .unary = call_function<mish_of>,
    .cases = kCases,
};

}  // namespace q
