// std: sqrt(the sum of (x - mean)^2 over axes / (n - correction)).
#include <cmath>

#include "ops/shared/variance.h"
#include "q/op.h"

namespace q {

namespace {

struct Deviation {
  Variance variance;

  template <typename Block>
  void operator()(const Block& block, double* y) const {
    variance(block, y);
    for (int64_t i = 0; i < block.outputs(); ++i) y[i] = std::sqrt(y[i]);
  }
};

Deviation program_of(const Attrs& attrs) { return {{attr_float(attrs, "correction")}}; }

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, program_of(call.attrs)); }
Run compile_quant(const CompileCall& call) { return compile_reduce_u8(call, program_of(call.attrs)); }

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage, .lo = 2, .hi = 3},
    {.attrs = "axes=-1;keepdims=0;correction=0", .inputs = kRows},
    {.attrs = "axes=1", .inputs = kWide},
    {.attrs = "keepdims=0", .inputs = kRows},
};

}  // namespace

extern const OpDef op_std;
constinit const OpDef op_std = {
    .name = "std",
    .doc = "standard deviation of x over axes, n - correction being the divisor of the variance",
    .attrs = kVarianceAttrs,
    .layout = Layout::kPlain,
    .infer = infer_variance,
    .samples = samples_reduce,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
