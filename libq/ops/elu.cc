// elu: x for x >= 0, else alpha * (exp(x) - 1).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto elu_of(const Attrs& attrs) {
  return [alpha = attr_float(attrs, "alpha")](float x) {
    return x >= 0 ? x : static_cast<float>(expm1(static_cast<double>(x)) * alpha);
  };
}

constexpr OnnxName kOnnx[] = {{"Elu"}};

constexpr AttrSpec kAttrs[] = {
    {"alpha", "minus the limit far below 0", AttrKind::kFloat, "1"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "alpha=0.5", .inputs = kOdd, .lo = -2, .hi = 1},
};

}  // namespace

extern const OpDef op_elu;
constinit const OpDef op_elu = {
    .name = "elu",
    .doc = "x, below 0 alpha * (exp(x) - 1), elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<elu_of>,
    .unary = call_function<elu_of>,
    .cases = kCases,
};

}  // namespace q
