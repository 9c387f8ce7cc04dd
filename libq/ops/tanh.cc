// tanh: the hyperbolic tangent of x.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float tanh_of(const Attrs&, float x) noexcept { return static_cast<float>(q::tanh(static_cast<double>(x))); }

constexpr OnnxName kOnnx[] = {{"Tanh"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -8, .hi = 8},
    {.inputs = kOdd, .lo = -0.5f, .hi = 2},
};

}  // namespace

extern const OpDef op_tanh;
constinit const OpDef op_tanh = {
    .name = "tanh",
    .doc = "the hyperbolic tangent of x, elementwise",
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = -1,
    .fixed_hi = 1,
    .infer = infer_same,
    .samples = samples_anywhere,
    .unary = tanh_of,
    .cases = kCases,
};

}  // namespace q
