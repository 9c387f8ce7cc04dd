// mul_scalar: clamp(x * scalar, min, max).
#include <vector>

#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

auto clamped(const Attrs& attrs) {
  return [scalar = static_cast<float>(attr_float(attrs, "scalar")),
          lo = static_cast<float>(attr_float(attrs, "min")),
          hi = static_cast<float>(attr_float(attrs, "max"))](float x) {
    const float y = x * scalar, above = y < lo ? lo : y;
    return above > hi ? hi : above;
  };
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  check_clamp(attrs);
  return infer_same(attrs, in);
}

constexpr AttrSpec kAttrs[] = {
    {"scalar", "the number", AttrKind::kFloat},
    kBinaryAttrs[0],
    kBinaryAttrs[1],
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.attrs = "scalar=-0.75", .inputs = kRow},
    {.attrs = "scalar=0.5;min=0", .inputs = kOdd},
    {.attrs = "scalar=3;min=-0.5;max=1.5", .inputs = kOdd},
};

}  // namespace

// The integers of the output are those of its own range, not the input's with another scale as in torch: what
// is observed decides. Where it has torch's scale and zero point, it has torch's integers.
extern const OpDef op_mul_scalar;
constinit const OpDef op_mul_scalar = {
    .name = "mul_scalar",
    .doc = "x * scalar, clamped to [min, max]",
    .attrs = kAttrs,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_function<clamped>,
    .unary = call_function<clamped>,
    .cases = kCases,
};

}  // namespace q
