// max_pool: the greatest value under each window; padding takes no part.
#include "kernels/kernels.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/pool.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) {
  const auto kernel = [max = call.kernels.max_f32](const float* const* rows, const PooledPixel& pixel,
                                                   size_t channels,
                                                   float* out) { max(rows, pixel.taps, channels, out); };
  return compile_pool<float>(call, pooled_axes(call), kernel);
}

Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);  // integers are picked, so they must mean the same
  const auto kernel = [max = call.kernels.max_u8](const uint8_t* const* rows, const PooledPixel& pixel,
                                                  size_t channels,
                                                  uint8_t* out) { max(rows, pixel.taps, channels, out); };
  return compile_pool<uint8_t>(call, pooled_axes(call), kernel);
}

bool map_max_pool(OnnxNode& node) {
  take_attr<int64_t>(node.attrs, "storage_order", 0);  // of the indices, which have no form here
  complete_onnx_window(node, attr_ints(node.attrs, "kernel_shape"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"MaxPool", 7, map_max_pool}};

constexpr AttrSpec kAttrs[] = {
    {"kernel_shape", "extents of the window", AttrKind::kInts},
    {"strides", "step of the window per axis; none: 1", AttrKind::kInts, "none"},
    {"pads", "padding before all axes, then behind them; none: 0", AttrKind::kInts, "none"},
    {"dilations", "distance of the window's elements per axis; none: 1", AttrKind::kInts, "none"},
    {"ceil_mode", "1: a last window may reach beyond the padding", AttrKind::kInt, "0"},
};

constexpr Shape kOdd[] = {{2, 19, 9, 7}};
constexpr Shape kSignal[] = {{2, 3, 11}};
constexpr Shape kVolume[] = {{1, 5, 4, 5, 6}};
constexpr Shape kMap[] = {{1, 70, 7, 7}};
constexpr Case kCases[] = {
    {.attrs = "kernel_shape=3,3;strides=2,2;pads=1,1,1,1", .inputs = kOdd},
    {.attrs = "kernel_shape=2,3;strides=2,2;dilations=2,1;ceil_mode=1", .inputs = kOdd, .lo = -3, .hi = -1},
    {.attrs = "kernel_shape=4;strides=3;pads=0,3", .inputs = kSignal},
    {.attrs = "kernel_shape=2,3,2;strides=1,2,2;pads=1,0,0,1,0,0", .inputs = kVolume},
    {.attrs = "kernel_shape=7,7", .inputs = kMap},
    {.attrs = "kernel_shape=2,2,3;strides=2,1,2;dilations=2,3,1;pads=1,1,1,0,0,1;ceil_mode=1",
     .inputs = kVolume},
};

}  // namespace

extern const OpDef op_max_pool;
constinit const OpDef op_max_pool = {
    .name = "max_pool",
    .doc = "greatest value under each window over the 1 to 3 spatial axes of x [N, C, spatial...]",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .takes_greatest = true,
    .infer = infer_pool,
    .samples = samples_beside_window,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
