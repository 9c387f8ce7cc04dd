// softsign: x / (1 + |x|).
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float softsign_of(float x) { return x / (1.f + std::abs(x)); }

constexpr OnnxName kOnnx[] = {{"Softsign"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_softsign;
constinit const OpDef op_softsign = {
    .name = "softsign",
    .doc = "x / (1 + |x|), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<softsign_of>,
    .unary = call_function<softsign_of>,
    .cases = kCases,
};

}  // namespace q
