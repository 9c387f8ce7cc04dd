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

// The bins of 4 values. Those of infinities and of NaN have no meaning.
struct Bins {
  float32x4_t scale;
  uint32x4_t even;
  int32x4_t finest, offset, first;

  Bins(const BinsF32& bins, int32_t from)
      : scale(vdupq_n_f32(bins.scale)),
        even(vdupq_n_u32(bins.even)),
        finest(vdupq_n_s32(bins.finest)),
        offset(vdupq_n_s32(bins.offset)),
        first(vdupq_n_s32(from)) {}

  inline int32x4_t operator()(float32x4_t x) const {
    const uint32x4_t negative = vcltzq_f32(x);
    // All ones are -1.
    const uint32x4_t m = vaddq_u32(vreinterpretq_u32_f32(vabsq_f32(x)), negative);
    const int32x4_t wide = vaddq_s32(vcvtq_s32_f32(vmulq_f32(vreinterpretq_f32_u32(m), scale)), offset);
    const int32x4_t fine =
        vmaxq_s32(vsubq_s32(vreinterpretq_s32_u32(vshrq_n_u32(m, 19)), finest), vdupq_n_s32(0));
    const int32x4_t bin = vbslq_s32(vcltq_u32(m, even), fine, wide);
    return vsubq_s32(veorq_s32(bin, vreinterpretq_s32_u32(negative)), first);
  }
};

void histogram_f32(const float* x, size_t n, const BinsF32& layout, int32_t first, uint32_t* counts) {
  const Bins bins(layout, first);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const float32x4_t value = vld1q_f32(x + i);
    const uint32x4_t finite = finite_lanes(value);
    const int32x4_t bin = bins(value);
    const bool all = vminvq_u32(finite) != 0;
    unroll<4>([&](auto lane) __attribute__((always_inline)) {
      if (all || vgetq_lane_u32(finite, lane)) ++counts[vgetq_lane_s32(bin, lane)];
    });
  }
  for (; i < n; ++i) {
    if (is_finite(x[i])) ++counts[vgetq_lane_s32(bins(vdupq_n_f32(x[i])), 0)];
  }
}

}  // namespace

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::neondot
