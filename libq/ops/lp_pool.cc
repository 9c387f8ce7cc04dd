// lp_pool: (sum of |x|^p)^(1/p) under each window; padding adds nothing. Powers, their sum in the order of
// the taps, and its root are binary64, rounded once.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/math.h"
#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/pool.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const int64_t p = attr_int(attrs, "p");
  // powers of binary32 up to this one neither overflow nor vanish in binary64
  constexpr int64_t kMost = 6;
  if (p < 1 || p > kMost) throw Error(ErrorKind::kInvalid, text("p is ", p, ", wanted 1 to ", kMost));
  return infer_pool(attrs, in);
}

double power(float x, int64_t p) {
  const double magnitude = std::abs(x);
  double out = magnitude;
  for (int64_t i = 1; i < p; ++i) out *= magnitude;
  return out;
}

float root(double sum, int64_t p) {
  if (p == 1) return static_cast<float>(sum);
  if (p == 2) return static_cast<float>(std::sqrt(sum));
  if (sum == 0 || !std::isfinite(sum)) return static_cast<float>(sum);
  return static_cast<float>(exp(log(sum) / static_cast<double>(p)));
}

// store(root of the sum of powers(x)) for every channel.
template <typename T, typename Powers, typename Store>
Run compile_norm(const CompileCall& call, const Powers& powers, const Store& store) {
  const auto kernel = [p = attr_int(call.attrs, "p"), powers, store](
                          const T* const* rows, const PooledPixel& pixel, size_t channels, T* out) {
    constexpr size_t kBlock = 64;
    double sums[kBlock];
    for (size_t first = 0; first < channels; first += kBlock) {
      const size_t count = std::min(kBlock, channels - first);
      std::fill_n(sums, count, 0.0);
      for (size_t tap = 0; tap < pixel.taps; ++tap)
        for (size_t c = 0; c < count; ++c) sums[c] += powers(rows[tap][first + c]);
      for (size_t c = 0; c < count; ++c) out[first + c] = store(root(sums[c], p));
    }
  };
  return compile_pool<T>(call, pooled_axes(call), kernel);
}

Run compile_f32(const CompileCall& call) {
  const auto same = [](float y) { return y; };
  const int64_t p = attr_int(call.attrs, "p");
  if (p == 1)
    return compile_norm<float>(
        call, [](float x) -> double { return std::abs(x); }, same);
  if (p == 2)
    return compile_norm<float>(
        call, [](double x) { return x * x; }, same);
  return compile_norm<float>(
      call, [p](float x) { return power(x, p); }, same);
}

Run compile_quant(const CompileCall& call) {
  const AffineU8 from = affine_of(call.in[0], "input"), to = affine_of(call.out[0], "output");
  std::array<double, 256> table{};
  for (int32_t q = 0; q < 256; ++q)
    table[static_cast<size_t>(q)] =
        power(dequantize_value(q, from.scale, from.zero_point), attr_int(call.attrs, "p"));
  const int32_t lo = call.out[0].qparams->quant_min, hi = call.out[0].qparams->quant_max;
  const auto level = [to, lo, hi](float y) {
    return static_cast<uint8_t>(quantize_value(y, to.scale, to.zero_point, lo, hi));
  };
  return compile_norm<uint8_t>(
      call, [table](uint8_t q) { return table[q]; }, level);
}

bool map_lp_pool(OnnxNode& node) {
  complete_onnx_window(node, attr_ints(node.attrs, "kernel_shape"));
  return true;
}

bool map_global(OnnxNode& node) {
  pool_whole_image(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"LpPool", 7, map_lp_pool}, {"GlobalLpPool", 7, map_global}};

constexpr AttrSpec kAttrs[] = {
    {"kernel_shape", "extents of the window", AttrKind::kInts},
    {"p", "exponent, 1 to 6", AttrKind::kInt, "2"},
    {"strides", "step of the window per axis; none: 1", AttrKind::kInts, "none"},
    {"pads", "padding before all axes, then behind them; none: 0", AttrKind::kInts, "none"},
    {"dilations", "distance of the window's elements per axis; none: 1", AttrKind::kInts, "none"},
    {"ceil_mode", "1: a last window may reach beyond the padding", AttrKind::kInt, "0"},
};

constexpr Shape kOdd[] = {{2, 19, 9, 7}};
constexpr Shape kSignal[] = {{2, 67, 11}};
constexpr Shape kVolume[] = {{1, 5, 4, 5, 6}};
constexpr Case kCases[] = {
    {.attrs = "kernel_shape=3,3;strides=2,2;pads=1,1,1,1", .inputs = kOdd},
    {.attrs = "kernel_shape=2,3;p=1;strides=2,2;dilations=2,1;ceil_mode=1", .inputs = kOdd},
    {.attrs = "kernel_shape=4;p=3;strides=3;pads=0,3", .inputs = kSignal, .lo = -3, .hi = 2},
    {.attrs = "kernel_shape=4,5,6;p=6", .inputs = kVolume},
};

}  // namespace

extern const OpDef op_lp_pool;
constinit const OpDef op_lp_pool = {
    .name = "lp_pool",
    .doc = "(sum of |x|^p)^(1/p) under each window over the 1 to 3 spatial axes of x [N, C, spatial...]",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .infer = infer,
    .samples = samples_beside_window,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
