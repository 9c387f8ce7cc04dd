// log_sum: log(sum of x over axes).
#include "base/math.h"
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

struct LogSum {
  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(SumOf{[](double x, double) { return x; }}, y);
    for (int64_t i = 0; i < block.outputs(); ++i) y[i] = log(y[i]);
  }
};

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, LogSum{}); }
Run compile_quant(const CompileCall& call) { return compile_reduce_u8(call, LogSum{}); }

constexpr OnnxName kOnnx[] = {{"ReduceLogSum", 7, map_reduce}};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage, .lo = 0.1f},
    {.attrs = "axes=-1;keepdims=0", .inputs = kRows, .lo = 0.1f},
    {.attrs = "axes=1", .inputs = kWide, .lo = 0.1f},
    {.attrs = "keepdims=0", .inputs = kRows, .lo = 0.1f},
};

}  // namespace

extern const OpDef op_log_sum;
constinit const OpDef op_log_sum = {
    .name = "log_sum",
    .doc = "natural logarithm of the sum of x over axes",
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
