// softplus: log(1 + exp(beta * x)) / beta.
#include <vector>

#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto softplus_of(const Attrs& attrs) {
  return [beta = attr_float(attrs, "beta"), threshold = attr_float(attrs, "threshold")](float x) {
    const double scaled = x * beta;
    return scaled > threshold ? x : static_cast<float>(log1p(q::exp(scaled)) / beta);
  };
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  if (attr_float(attrs, "beta") == 0) throw Error(ErrorKind::kInvalid, "attribute beta is 0, wanted another");
  return infer_same(attrs, in);
}

constexpr OnnxName kOnnx[] = {{"Softplus"}};

constexpr AttrSpec kAttrs[] = {
    {"beta", "how sharp the bend at 0 is", AttrKind::kFloat, "1"},
    {"threshold", "of beta * x", AttrKind::kFloat, "20"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -8, .hi = 8},
    {.attrs = "beta=2;threshold=3", .inputs = kOdd, .lo = -3, .hi = 3},
};

}  // namespace

extern const OpDef op_softplus;
constinit const OpDef op_softplus = {
    .name = "softplus",
    .doc = "log(1 + exp(beta * x)) / beta, x where beta * x is above the threshold, elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_function<softplus_of>,
    .unary = call_function<softplus_of>,
    .cases = kCases,
};

}  // namespace q
