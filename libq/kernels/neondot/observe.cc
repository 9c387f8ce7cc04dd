// The range and the histogram of a tensor.
#include "kernels/neondot/row.h"
#include "kernels/neondot/simd.h"

namespace q::neondot {
namespace {

constexpr float kInfinity = __builtin_inff();

// All bits of the lanes that are neither infinite nor NaN.
inline uint32x4_t finite_lanes(float32x4_t x) { return vcaltq_f32(x, vdupq_n_f32(kInfinity)); }
inline bool is_finite(float x) { return __builtin_fabsf(x) < kInfinity; }

inline void include(MinMaxF32* range, float lo, float hi) {
  if (lo < range->lo) range->lo = lo;
  if (hi > range->hi) range->hi = hi;
}

// The range of some lanes: several of these do not wait for each other.
struct LaneRange {
  float32x4_t lo = vdupq_n_f32(kInfinity), hi = vdupq_n_f32(-kInfinity);
  uint32x4_t non_finite = vdupq_n_u32(0);

  inline void add(float32x4_t x) {
    const uint32x4_t finite = finite_lanes(x);
    lo = vminq_f32(lo, vbslq_f32(finite, x, vdupq_n_f32(kInfinity)));
    hi = vmaxq_f32(hi, vbslq_f32(finite, x, vdupq_n_f32(-kInfinity)));
    non_finite = vaddq_u32(non_finite, vaddq_u32(finite, vdupq_n_u32(1)));
  }
};

// Adding +0 turns -0 into +0.
void minmax_f32(const float* x, size_t n, MinMaxF32* range) {
  LaneRange lanes[4];
  size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      lanes[v].add(vaddq_f32(vld1q_f32(x + i + 4 * v), vdupq_n_f32(0)));
    });
  }
  for (const LaneRange& part : lanes) {
    include(range, vminvq_f32(part.lo), vmaxvq_f32(part.hi));
    range->non_finite += vaddlvq_u32(part.non_finite);
  }
  for (; i < n; ++i) {
    const float value = x[i] + 0.f;
    if (is_finite(value)) {
      include(range, value, value);
    } else {
      ++range->non_finite;
    }
  }
}

// The bins of two values, computed in binary64, where the product is exact.
inline int64x2_t bins(float64x2_t x, float64x2_t scale, int64x2_t first) {
  return vsubq_s64(vcvtmq_s64_f64(vmulq_f64(x, scale)), first);
}

void histogram_f32(const float* x, size_t n, float scale, int64_t first, uint32_t* counts) {
  const float64x2_t scales = vdupq_n_f64(scale);
  const int64x2_t firsts = vdupq_n_s64(first);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const float32x4_t value = vld1q_f32(x + i);
    const uint32x4_t finite = finite_lanes(value);
    const int64x2_t low = bins(vcvt_f64_f32(vget_low_f32(value)), scales, firsts);
    const int64x2_t high = bins(vcvt_high_f64_f32(value), scales, firsts);
    if (vminvq_u32(finite) != 0) {
      ++counts[vgetq_lane_s64(low, 0)];
      ++counts[vgetq_lane_s64(low, 1)];
      ++counts[vgetq_lane_s64(high, 0)];
      ++counts[vgetq_lane_s64(high, 1)];
    } else {
      if (vgetq_lane_u32(finite, 0)) ++counts[vgetq_lane_s64(low, 0)];
      if (vgetq_lane_u32(finite, 1)) ++counts[vgetq_lane_s64(low, 1)];
      if (vgetq_lane_u32(finite, 2)) ++counts[vgetq_lane_s64(high, 0)];
      if (vgetq_lane_u32(finite, 3)) ++counts[vgetq_lane_s64(high, 1)];
    }
  }
  for (; i < n; ++i) {
    if (is_finite(x[i])) ++counts[vgetq_lane_s64(bins(vdupq_n_f64(x[i]), scales, firsts), 0)];
  }
}

}  // namespace

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::neondot
