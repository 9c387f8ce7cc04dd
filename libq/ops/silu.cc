// silu: x / (1 + exp(-x)).
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float silu_of(const Attrs&, float x) noexcept {
  return static_cast<float>(x * sigmoid(static_cast<double>(x)));
}

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -8, .hi = 8},
    {.inputs = kOdd, .lo = -0.5f, .hi = 2},
};

}  // namespace

extern const OpDef op_silu;
constinit const OpDef op_silu = {
    .name = "silu",
    .doc = "x / (1 + exp(-x)), elementwise",
    .infer = infer_same,
    .samples = samples_anywhere,
    .unary = silu_of,
    .cases = kCases,
};

}  // namespace q
