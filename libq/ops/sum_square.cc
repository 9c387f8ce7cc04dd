// sum_square: the sum of x^2 over axes.
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

struct SumSquare {
  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(SumOf{[](double x, double) { return x * x; }}, y);
  }
};

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, SumSquare{}); }
Run compile_quant(const CompileCall& call) { return compile_reduce_u8(call, SumSquare{}); }

constexpr OnnxName kOnnx[] = {{"ReduceSumSquare", 7, map_reduce}};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage},
    {.attrs = "axes=-1;keepdims=0", .inputs = kRows},
    {.attrs = "axes=1", .inputs = kWide},
    {.attrs = "keepdims=0", .inputs = kRows},
};

}  // namespace

extern const OpDef op_sum_square;
constinit const OpDef op_sum_square = {
    .name = "sum_square",
    .doc = "sum of the squares of x over axes",
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
