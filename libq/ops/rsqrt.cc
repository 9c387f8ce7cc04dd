// rsqrt: 1 / sqrt(x).
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float inverse_root(float x) { return 1.f / std::sqrt(x); }

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = 0.25f, .hi = 4},
    {.inputs = kOdd, .lo = 0.5f, .hi = 2},
};

}  // namespace

extern const OpDef op_rsqrt;
constinit const OpDef op_rsqrt = {
    .name = "rsqrt",
    .doc = "1 / sqrt(x), elementwise",
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<inverse_root>,
    .unary = call_function<inverse_root>,
    .cases = kCases,
};

}  // namespace q
