// mean: the sum of x over axes / the number of its elements.
#include "ops/shared/move.h"
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

struct Mean {
  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(SumOf{[](double x, double) { return x; }}, y);
    for (int64_t i = 0; i < block.outputs(); ++i) y[i] /= block.terms();
  }
};

// f32(sum of q) / f32(n) is what torch's quantized mean rounds, the zero point included.
struct MeanOfIntegers {
  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(SumOf{[](double x, double) { return x; }}, y);
    for (int64_t i = 0; i < block.outputs(); ++i)
      y[i] = static_cast<float>(y[i]) / static_cast<float>(block.terms());
  }
};

Run compile_f32(const CompileCall& call) { return compile_reduce_f32(call, Mean{}); }

// Over the last axes clamp(rint(f32(sum of q) / f32(n)), lo, hi); over others, as torch, Q(mean of D(q)).
Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);  // input and output share their scale
  if (!reduces_last_axes(call.attrs, call.in[0].shape.rank)) return compile_reduce_u8(call, Mean{});
  ToU8 to = to_u8_of(call.out[0]);
  to.inverse_scale = 1;
  to.zero_point = 0;
  return compile_reduce<uint8_t, uint8_t>(
      call, [](uint8_t q) { return static_cast<double>(q); }, MeanOfIntegers{},
      PutU8{call.kernels.quantize_u8, to});
}

// adaptive_avg_pool takes means over exactly the spatial axes.
constexpr OnnxName kOnnx[] = {{"ReduceMean", 7, map_reduce}};

constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kWide[] = {{2, 3, 67}};
constexpr Case kCases[] = {
    {.attrs = "axes=1,-1", .inputs = kImage, .lo = 0, .hi = 3},
    {.attrs = "axes=-1;keepdims=0", .inputs = kRows},
    {.attrs = "axes=1", .inputs = kWide},
    {.attrs = "axes=-2,-1", .inputs = kImage},
    {.attrs = "keepdims=0", .inputs = kRows},
};

}  // namespace

extern const OpDef op_mean;
constinit const OpDef op_mean = {
    .name = "mean",
    .doc = "mean of x over axes",
    .attrs = kReduceAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kAsInput,
    .infer = infer_reduce,
    .samples = samples_reduce,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
