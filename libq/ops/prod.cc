// prod: the product of x over axes.
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

struct Product {
  using State = double;
  static constexpr double start = 1;
  static double step(double product, double x, double) { return product * x; }
  static double merge(double a, double b) { return a * b; }

  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(Product{}, y);
  }
};

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, Product{}); }
Run compile_quant(const CompileCall& call) { return compile_reduce_u8(call, Product{}); }

constexpr OnnxName kOnnx[] = {{"ReduceProd", 7, map_reduce}};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage, .lo = 0.8f, .hi = 1.2f},
    {.attrs = "axes=-1;keepdims=0", .inputs = kRows, .lo = 0.8f, .hi = 1.2f},
    {.attrs = "axes=1", .inputs = kWide, .lo = 0.8f, .hi = 1.2f},
    {.attrs = "keepdims=0", .inputs = kRows, .lo = 0.8f, .hi = 1.2f},
};

}  // namespace

extern const OpDef op_prod;
constinit const OpDef op_prod = {
    .name = "prod",
    .doc = "product of x over axes",
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
