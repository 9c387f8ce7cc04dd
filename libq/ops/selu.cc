// selu: gamma * x for x > 0, else gamma * alpha * (exp(x) - 1).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto selu_of(const Attrs& attrs) {
  const double alpha = attr_float(attrs, "alpha"), gamma = attr_float(attrs, "gamma");
  return [below = alpha * gamma, above = static_cast<float>(gamma)](float x) {
    return x > 0 ? above * x : static_cast<float>(expm1(static_cast<double>(x)) * below);
  };
}

constexpr OnnxName kOnnx[] = {{"Selu"}};

constexpr AttrSpec kAttrs[] = {
    {"alpha", "minus the limit far below 0, without gamma", AttrKind::kFloat, "1.67326319217681884765625"},
    {"gamma", "factor of all", AttrKind::kFloat, "1.05070102214813232421875"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "alpha=1.5;gamma=0.5", .inputs = kOdd, .lo = -2, .hi = 1},
};

}  // namespace

extern const OpDef op_selu;
constinit const OpDef op_selu = {
    .name = "selu",
    .doc = "gamma * x, below 0 gamma * alpha * (exp(x) - 1), elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<selu_of>,
    .unary = call_function<selu_of>,
    .cases = kCases,
};

}  // namespace q
