// norm: (sum of |x|^p over axes)^(1/p), the greatest |x| where p is infinite.
#include <cmath>

#include "base/math.h"
#include "base/text.h"
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

double power(double x, double exponent) { return exp(exponent * log(x)); }  // x >= 0, exponent > 0

struct GreatestMagnitude : Extreme<1> {
  static float step(float greatest, double x, double) {
    return merge(greatest, static_cast<float>(std::abs(x)));
  }
};

struct Norm {
  double p;

  template <typename Block>
  void operator()(const Block& block, double* y) const {
    if (p == 1) {
      block.fold(SumOf{[](double x, double) { return std::abs(x); }}, y);
    } else if (p == 2) {
      block.fold(SumOf{[](double x, double) { return x * x; }}, y);
      for (int64_t i = 0; i < block.outputs(); ++i) y[i] = std::sqrt(y[i]);
    } else if (std::isinf(p)) {
      block.fold(GreatestMagnitude{}, y);
    } else {
      general(block, y);
    }
  }

  // Magnitudes are taken in units of the greatest one: no power overflows.
  template <typename Block>
  void general(const Block& block, double* y) const {
    block.fold(GreatestMagnitude{}, y);
    for (int64_t i = 0; i < block.outputs(); ++i)
      if (!(y[i] > 0) || std::isinf(y[i])) y[i] = 1;
    double sum[kMostOutputs];
    block.fold(SumOf{[this](double x, double one) { return power(std::abs(x) / one, p); }}, y, sum);
    for (int64_t i = 0; i < block.outputs(); ++i) y[i] *= power(sum[i], 1 / p);
  }
};

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const double p = attr_float(attrs, "p");
  if (!(p > 0)) throw Error(ErrorKind::kInvalid, text("attribute p is ", number(p), ", wanted more than 0"));
  return infer_reduce(attrs, in);
}

Norm program_of(const Attrs& attrs) { return {attr_float(attrs, "p")}; }
Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, program_of(call.attrs)); }
Run compile_quant(const CompileCall& call) { return compile_reduce_u8(call, program_of(call.attrs)); }

template <int p>
bool map_norm(OnnxNode& node) {
  node.attrs.emplace("p", double{p});
  return map_reduce(node);
}

constexpr OnnxName kOnnx[] = {{"ReduceL1", 7, map_norm<1>}, {"ReduceL2", 7, map_norm<2>}};

constexpr AttrSpec kAttrs[] = {
    kReduceAttrs[0],
    kReduceAttrs[1],
    {"p", "the exponent, more than 0 and perhaps inf", AttrKind::kFloat, "2"},
};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage},     {.attrs = "axes=-1;keepdims=0;p=1", .inputs = kRows},
    {.attrs = "axes=1;p=inf", .inputs = kWide},   {.attrs = "axes=1;p=0.5", .inputs = kWide},
    {.attrs = "keepdims=0;p=3", .inputs = kRows},
};

}  // namespace

extern const OpDef op_norm;
constinit const OpDef op_norm = {
    .name = "norm",
    .doc = "(sum of |x|^p over axes)^(1/p), the greatest |x| where p is inf",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .infer = infer,
    .samples = samples_reduce,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
