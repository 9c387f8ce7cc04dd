// pow_scalar: x to the power of a number.
#include <cmath>
#include <optional>

#include "ops/shared/onnx.h"
#include "ops/shared/power.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto power_of(const Attrs& attrs) {
  // a square root rounds once, and torch takes it too: of -0 it is -0
  return [exponent = static_cast<float>(attr_float(attrs, "exponent"))](float x) {
    return exponent == 0.5f ? std::sqrt(x) : power(x, exponent);
  };
}

bool map_pow(OnnxNode& node) {
  const std::optional<double> exponent = lone_number(node, 1);
  if (!exponent) return false;  // pow takes those
  node.attrs.emplace("exponent", *exponent);
  node.inputs[1].used = false;
  return true;
}

constexpr OnnxName kOnnx[] = {{"Pow", 7, map_pow}};

constexpr AttrSpec kAttrs[] = {
    {"exponent", "the power", AttrKind::kFloat},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.attrs = "exponent=2", .inputs = kRow, .lo = -2, .hi = 2},
    {.attrs = "exponent=3", .inputs = kOdd, .lo = -2, .hi = 2},
    {.attrs = "exponent=0.5", .inputs = kOdd, .lo = 0, .hi = 4},
    {.attrs = "exponent=-1", .inputs = kOdd, .lo = 0.5f, .hi = 2},
    {.attrs = "exponent=2.5", .inputs = kOdd, .lo = 0.25f, .hi = 2},
};

}  // namespace

extern const OpDef op_pow_scalar;
constinit const OpDef op_pow_scalar = {
    .name = "pow_scalar",
    .doc = "x to the power of exponent, elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<power_of>,
    .unary = call_function<power_of>,
    .cases = kCases,
};

}  // namespace q
