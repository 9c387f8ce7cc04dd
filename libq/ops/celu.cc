// celu: x for x >= 0, else alpha * (exp(x / alpha) - 1).
#include <vector>

#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto celu_of(const Attrs& attrs) {
  return [alpha = attr_float(attrs, "alpha")](float x) {
    return x >= 0 ? x : static_cast<float>(expm1(x / alpha) * alpha);
  };
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  if (attr_float(attrs, "alpha") == 0)
    throw Error(ErrorKind::kInvalid, "attribute alpha is 0, wanted another");
  return infer_same(attrs, in);
}

constexpr OnnxName kOnnx[] = {{"Celu", 12}};

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

extern const OpDef op_celu;
constinit const OpDef op_celu = {
    .name = "celu",
    .doc = "x, below 0 alpha * (exp(x / alpha) - 1), elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_function<celu_of>,
    .unary = call_function<celu_of>,
    .cases = kCases,
};

}  // namespace q
