// logsumexp: log(sum of exp(x) over axes).
#include <cmath>

#include "base/math.h"
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

// m + log(sum of exp(x - m)), m being the greatest element: no exponential overflows. Where m is infinite it
// is the result, and a NaN stays one.
struct LogSumExp {
  template <typename Block>
  void operator()(const Block& block, double* y) const {
    double sum[kMostOutputs];
    block.fold(Extreme<1>{}, y);
    block.fold(SumOf{[](double x, double m) { return exp(x - m); }}, y, sum);
    for (int64_t i = 0; i < block.outputs(); ++i)
      if (!std::isinf(y[i])) y[i] += log(sum[i]);
  }
};

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, LogSumExp{}); }
Run compile_quant(const CompileCall& call) { return compile_reduce_u8(call, LogSumExp{}); }

constexpr OnnxName kOnnx[] = {{"ReduceLogSumExp", 7, map_reduce}};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage, .lo = -8, .hi = 8},
    {.attrs = "axes=-1;keepdims=0", .inputs = kRows, .lo = -8, .hi = 8},
    {.attrs = "axes=1", .inputs = kWide, .lo = -8, .hi = 8},
    {.attrs = "keepdims=0", .inputs = kRows, .lo = -8, .hi = 8},
};

}  // namespace

extern const OpDef op_logsumexp;
constinit const OpDef op_logsumexp = {
    .name = "logsumexp",
    .doc = "natural logarithm of the sum of exp(x) over axes",
    .attrs = kReduceAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .infer = infer_reduce,
    .samples = samples_reduce,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
