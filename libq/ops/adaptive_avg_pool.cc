// adaptive_avg_pool: the mean over windows that divide the image into a given number of outputs.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/pool.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape out = infer_adaptive_pool(attrs, in).at(0);
  const int64_t keepdims = attr_int(attrs, "keepdims");
  if (keepdims == 1) return {out};
  const Ints& size = attr_ints(attrs, "output_size");
  if (keepdims != 0 || std::ranges::any_of(size, [](int64_t outputs) { return outputs != 1; }))
    throw Error(ErrorKind::kInvalid,
                text("attribute keepdims is ", keepdims, ", wanted 1, or 0 where output_size holds ones"));
  return {Shape{out[0], out[1]}};  // channels-last, [N, 1, 1, C] are the bytes of [N, C]
}

Run compile_f32(const CompileCall& call) {
  const auto kernel = [average = call.kernels.average_f32](const float* const* rows, const PooledPixel& pixel,
                                                           size_t channels, float* out) {
    average(rows, pixel.taps, channels, static_cast<float>(pixel.taps), out);
  };
  return compile_pool<float>(call, adaptive_axes(call), kernel);
}

// clamp(z + rint(f32(sum - z * n) * m)) with m = f32: 1 / (1 / (1 / n)), torch's rule for channels-last
// tensors.
Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);  // input and output share their scale
  std::vector<PooledAxis> axes = adaptive_axes(call);
  check_average_taps(axes);
  const auto kernel = [z = call.in[0].qparams->zero_points[0], average = call.kernels.average_u8](
                          const uint8_t* const* rows, const PooledPixel& pixel, size_t channels,
                          uint8_t* out) {
    const float inverse = 1.f / static_cast<float>(pixel.taps), back = 1.f / inverse;
    average(rows, pixel.taps, channels, z, 1.f / back, out);
  };
  return compile_pool<uint8_t>(call, std::move(axes), kernel);
}

bool map_global(OnnxNode& node) {
  pool_to_one(node);
  return true;
}

// A mean over all spatial axes; mean takes others.
bool map_reduce_mean(OnnxNode& node) {
  const int rank = node.inputs.at(0).type.shape.rank;
  if (rank < 3 || rank > 5) return false;
  Ints axes = take_ints(node, "axes", 1);
  for (int64_t& axis : axes) axis = normalize_axis(axis, rank, "axes");
  std::sort(axes.begin(), axes.end());
  Ints spatial;
  for (int axis = 2; axis < rank; ++axis) spatial.push_back(axis);
  if (axes != spatial) return false;
  take_attr<int64_t>(node.attrs, "noop_with_empty_axes", 0);
  pool_to_one(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"GlobalAveragePool", 7, map_global}, {"ReduceMean", 7, map_reduce_mean}};

constexpr AttrSpec kAttrs[] = {
    {"output_size", "spatial extents of the output", AttrKind::kInts},
    {"keepdims", "0: leave the spatial axes out, where output_size holds ones", AttrKind::kInt, "1"},
};

constexpr Shape kHead[] = {{2, 67, 7, 7}};
constexpr Shape kOdd[] = {{1, 19, 9, 7}};
constexpr Shape kSignal[] = {{2, 3, 11}};
constexpr Shape kVolume[] = {{1, 5, 4, 5, 6}};
constexpr Shape kLarge[] = {{1, 3, 51, 43}};
constexpr Case kCases[] = {
    {.attrs = "output_size=1,1", .inputs = kHead, .lo = 0, .hi = 3},
    {.attrs = "output_size=4,3", .inputs = kOdd},    // windows that overlap
    {.attrs = "output_size=13", .inputs = kSignal},  // more outputs than positions
    {.attrs = "output_size=1,2,3", .inputs = kVolume},
    {.attrs = "output_size=1,1", .inputs = kLarge},  // more rows than fit on the stack
    {.attrs = "output_size=1,1;keepdims=0", .inputs = kHead},
    {.attrs = "output_size=1;keepdims=0", .inputs = kSignal, .lo = 0, .hi = 3},
    {.attrs = "output_size=1,1,1;keepdims=0", .inputs = kVolume},
};

}  // namespace

extern const OpDef op_adaptive_avg_pool;
constinit const OpDef op_adaptive_avg_pool = {
    .name = "adaptive_avg_pool",
    .doc = "mean over windows that divide the spatial axes of x [N, C, spatial...] into output_size parts",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_beside_window,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
