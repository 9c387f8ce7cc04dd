// sigmoid: 1 / (1 + exp(-x)).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float sigmoid_of(const Attrs&, float x) noexcept {
  return static_cast<float>(q::sigmoid(static_cast<double>(x)));
}

constexpr OnnxName kOnnx[] = {{"Sigmoid"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -8, .hi = 8},
    {.inputs = kOdd, .lo = -0.5f, .hi = 2},
};

}  // namespace

extern const OpDef op_sigmoid;
constinit const OpDef op_sigmoid = {
    .name = "sigmoid",
    .doc = "1 / (1 + exp(-x)), elementwise",
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = 1,
    .infer = infer_same,
    .samples = samples_anywhere,
    .unary = sigmoid_of,
    .cases = kCases,
};

}  // namespace q
