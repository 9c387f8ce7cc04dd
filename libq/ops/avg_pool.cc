// avg_pool: the mean under each window.
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
  const int64_t given = attr_int(attrs, "divisor_override");
  if (given < 0) throw Error(ErrorKind::kInvalid, text("divisor_override is ", given, ", wanted 0 or more"));
  return infer_pool(attrs, in);
}

// What the sum under a window is divided by: a number given, or the positions, padding counted or not.
struct Divisor {
  int64_t given;
  bool counts_padding;

  explicit Divisor(const Attrs& attrs)
      : given(attr_int(attrs, "divisor_override")),
        counts_padding(attr_int(attrs, "count_include_pad") != 0) {}

  float of(const PooledPixel& pixel) const {
    if (given > 0) return static_cast<float>(given);
    return counts_padding ? static_cast<float>(pixel.covered) : static_cast<float>(pixel.taps);
  }
};

Run compile_f32(const CompileCall& call) {
  const auto kernel = [divisor = Divisor(call.attrs), average = call.kernels.average_f32](
                          const float* const* rows, const PooledPixel& pixel, size_t channels, float* out) {
    average(rows, pixel.taps, channels, divisor.of(pixel), out);
  };
  return compile_pool<float>(call, pooled_axes(call), kernel);
}

// clamp(z + rint(f32(sum - z * taps) * (1 / divisor))), torch's rule for channels-last tensors.
Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);  // input and output share their scale
  std::vector<PooledAxis> axes = pooled_axes(call);
  check_average_taps(axes);
  const int32_t z = call.in[0].qparams->zero_points[0];
  const auto kernel = [z, divisor = Divisor(call.attrs), average = call.kernels.average_u8](
                          const uint8_t* const* rows, const PooledPixel& pixel, size_t channels,
                          uint8_t* out) {
    average(rows, pixel.taps, channels, z, 1.f / divisor.of(pixel), out);
  };
  return compile_pool<uint8_t>(call, std::move(axes), kernel);
}

bool map_average_pool(OnnxNode& node) {
  complete_onnx_window(node, attr_ints(node.attrs, "kernel_shape"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"AveragePool", 7, map_average_pool}};

constexpr AttrSpec kAttrs[] = {
    {"kernel_shape", "extents of the window", AttrKind::kInts},
    {"strides", "step of the window per axis; none: 1", AttrKind::kInts, "none"},
    {"pads", "padding before all axes, then behind them; none: 0", AttrKind::kInts, "none"},
    {"dilations", "distance of the window's elements per axis; none: 1", AttrKind::kInts, "none"},
    {"ceil_mode", "1: a last window may reach beyond the padding", AttrKind::kInt, "0"},
    {"count_include_pad", "1: the mean counts padding as zeros", AttrKind::kInt, "0"},
    {"divisor_override", "divide every sum by this instead; 0: by the number of positions", AttrKind::kInt,
     "0"},
};

constexpr Shape kOdd[] = {{2, 19, 9, 7}};
constexpr Shape kSignal[] = {{2, 3, 11}};
constexpr Shape kVolume[] = {{1, 5, 4, 5, 6}};
constexpr Case kCases[] = {
    {.attrs = "kernel_shape=2,2;strides=2,2", .inputs = kOdd},
    {.attrs = "kernel_shape=3,3;pads=1,1,1,1", .inputs = kOdd, .lo = 0, .hi = 3},
    {.attrs = "kernel_shape=3,3;strides=2,2;pads=1,1,1,1;ceil_mode=1;count_include_pad=1", .inputs = kOdd},
    {.attrs = "kernel_shape=2,3;divisor_override=7", .inputs = kOdd},
    {.attrs = "kernel_shape=3,2;dilations=2,3;pads=1,2,2,1;count_include_pad=1", .inputs = kOdd},
    {.attrs = "kernel_shape=2,2;strides=2,3;dilations=3,1;pads=1,0,1,1;ceil_mode=1", .inputs = kOdd},
    {.attrs = "kernel_shape=4;strides=3;pads=0,3;count_include_pad=1", .inputs = kSignal},
    {.attrs = "kernel_shape=2,3,2;strides=1,2,2;pads=1,0,0,1,0,0", .inputs = kVolume},
};

}  // namespace

extern const OpDef op_avg_pool;
constinit const OpDef op_avg_pool = {
    .name = "avg_pool",
    .doc = "mean under each window over the 1 to 3 spatial axes of x [N, C, spatial...]",
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
