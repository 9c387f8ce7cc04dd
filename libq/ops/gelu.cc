// gelu: x * (1 + erf(x / sqrt(2))) / 2.
#include <string>
#include <vector>

#include "base/math.h"
#include "base/text.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

double normal(double x) { return 0.5 * (1 + erf(x * 0x1.6a09e667f3bcdp-1)); }  // 1 / sqrt(2)

// (1 + tanh(u)) / 2 is sigmoid(2 u), u = sqrt(2 / pi) * (x + 0.044715 * x^3)
double nearly_normal(double x) { return sigmoid(2 * 0x1.9884533d43651p-1 * (x + 0.044715 * x * x * x)); }

auto gelu_of(const Attrs& attrs) {
  return [share = attr_string(attrs, "approximate") == "tanh" ? nearly_normal : normal](float x) {
    return static_cast<float>(x * share(static_cast<double>(x)));
  };
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const std::string& approximate = attr_string(attrs, "approximate");
  if (approximate != "none" && approximate != "tanh")
    throw Error(ErrorKind::kInvalid,
                text("attribute approximate is \"", approximate, "\", wanted none or tanh"));
  return infer_same(attrs, in);
}

constexpr OnnxName kOnnx[] = {{"Gelu", 20}};

constexpr AttrSpec kAttrs[] = {
    {"approximate", "none, or tanh: x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2",
     AttrKind::kString, "none"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "approximate=tanh", .inputs = kOdd, .lo = -2, .hi = 2},
};

}  // namespace

extern const OpDef op_gelu;
constinit const OpDef op_gelu = {
    .name = "gelu",
    .doc = "x * (1 + erf(x / sqrt(2))) / 2, elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_function<gelu_of>,
    .unary = call_function<gelu_of>,
    .cases = kCases,
};

}  // namespace q
