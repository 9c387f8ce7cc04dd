// adaptive_max_pool: the greatest value under windows that divide the image into a given number of outputs.
#include "kernels/kernels.h"
#include "ops/shared/move.h"
#include "ops/shared/pool.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) {
  const auto kernel = [max = call.kernels.max_f32](const float* const* rows, const PooledPixel& pixel,
                                                   size_t channels,
                                                   float* out) { max(rows, pixel.taps, channels, out); };
  return compile_pool<float>(call, adaptive_axes(call), kernel);
}

Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);  // integers are picked, so they must mean the same
  const auto kernel = [max = call.kernels.max_u8](const uint8_t* const* rows, const PooledPixel& pixel,
                                                  size_t channels,
                                                  uint8_t* out) { max(rows, pixel.taps, channels, out); };
  return compile_pool<uint8_t>(call, adaptive_axes(call), kernel);
}

bool map_global(OnnxNode& node) {
  pool_to_one(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"GlobalMaxPool", 7, map_global}};

constexpr AttrSpec kAttrs[] = {{"output_size", "spatial extents of the output", AttrKind::kInts}};

constexpr Shape kHead[] = {{2, 67, 7, 7}};
constexpr Shape kOdd[] = {{1, 19, 9, 7}};
constexpr Shape kSignal[] = {{2, 3, 11}};
constexpr Shape kVolume[] = {{1, 5, 4, 5, 6}};
constexpr Shape kLarge[] = {{1, 3, 51, 43}};
constexpr Case kCases[] = {
    {.attrs = "output_size=1,1", .inputs = kHead, .lo = -3, .hi = -1},
    {.attrs = "output_size=4,3", .inputs = kOdd},    // windows that overlap
    {.attrs = "output_size=13", .inputs = kSignal},  // more outputs than positions
    {.attrs = "output_size=1,2,3", .inputs = kVolume},
    {.attrs = "output_size=1,1", .inputs = kLarge},  // more rows than fit on the stack
};

}  // namespace

extern const OpDef op_adaptive_max_pool;
constinit const OpDef op_adaptive_max_pool = {
    .name = "adaptive_max_pool",
    .doc =
        "greatest value under windows that divide the spatial axes of x [N, C, spatial...] into "
        "output_size parts",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .takes_greatest = true,
    .infer = infer_adaptive_pool,
    .samples = samples_beside_window,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
