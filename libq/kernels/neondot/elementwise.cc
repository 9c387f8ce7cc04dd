// Operations on every element by itself, 16 at a time. Multiplications and additions stay apart: nothing is
// fused here.
#include "kernels/neondot/row.h"
#include "kernels/neondot/simd.h"

namespace q::neondot {
namespace {

// The elements of an operand behind its last whole block.
template <typename T>
struct Rest {
  T elements[kBlock] = {};

  inline Rest(const T* x, size_t n) { __builtin_memcpy(elements, x, n * sizeof(T)); }
};

// body(out, in…) for every 16 elements. The last ones pass through buffers, because an operand may be the
// output and nothing may be computed twice.
template <typename Body, typename Out, typename... In>
[[gnu::always_inline]] inline void for_blocks(size_t n, const Body& body, Out* out, const In*... in) {
  size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) body(out + i, in + i...);
  if (i == n) return;
  Out last[kBlock];
  body(last, Rest<In>(in + i, n - i).elements...);
  __builtin_memcpy(out + i, last, (n - i) * sizeof(Out));
}

// Levels of reals as bytes. The conversion saturates, and gives the 0 that a NaN is to give.
struct ToLevels {
  float32x4_t inverse_scale;
  Bytes bytes;

  explicit inline ToLevels(const ToU8& to)
      : inverse_scale(vdupq_n_f32(to.inverse_scale)), bytes(to.zero_point, to.lo, to.hi) {}
  // The vectors real(0) … real(3).
  template <typename Real>
  [[gnu::always_inline]] inline uint8x16_t operator()(const Real& real) const {
    int32x4_t level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      level[v] = vcvtnq_s32_f32(vmulq_f32(real(v), inverse_scale));
    });
    return bytes(level);
  }
};

// q - zero_point of a block, as int16: the difference of u8 wraps into it.
struct Differences {
  int16x8_t low, high;

  inline Differences(uint8x16_t q, uint8x16_t zero_point)
      : low(vreinterpretq_s16_u16(vsubl_u8(vget_low_u8(q), vget_low_u8(zero_point)))),
        high(vreinterpretq_s16_u16(vsubl_high_u8(q, zero_point))) {}
};

// Widened to the four vectors of a block.
struct BlockI32 {
  int32x4_t vector[4];

  explicit inline BlockI32(const Differences& d)
      : vector{vmovl_s16(vget_low_s16(d.low)), vmovl_high_s16(d.low), vmovl_s16(vget_low_s16(d.high)),
               vmovl_high_s16(d.high)} {}
};

inline uint8x16_t broadcast_level(int32_t level) { return vdupq_n_u8(static_cast<uint8_t>(level)); }

// Reals of levels: scale * (q - zero_point).
struct ToReals {
  float32x4_t scale;
  uint8x16_t zero_point;

  explicit inline ToReals(const AffineU8& from)
      : scale(vdupq_n_f32(from.scale)), zero_point(broadcast_level(from.zero_point)) {}
  inline BlockI32 differences(const uint8_t* q) const {
    return BlockI32(Differences(vld1q_u8(q), zero_point));
  }
  inline float32x4_t operator()(int32x4_t difference) const {
    return vmulq_f32(scale, vcvtq_f32_s32(difference));
  }
};

void quantize_u8(const float* x, size_t n, const ToU8& to, uint8_t* out) {
  const ToLevels levels(to);
  const auto block = [&](uint8_t * y, const float* reals) __attribute__((always_inline)) {
    vst1q_u8(y, levels([&](int v) __attribute__((always_inline)) { return vld1q_f32(reals + 4 * v); }));
  };
  for_blocks(n, block, out, x);
}

void dequantize_u8(const uint8_t* q, size_t n, const AffineU8& from, float* out) {
  const ToReals reals(from);
  const auto block = [&](float* y, const uint8_t* x) __attribute__((always_inline)) {
    const BlockI32 difference = reals.differences(x);
    unroll<4>([&](auto v)
                  __attribute__((always_inline)) { vst1q_f32(y + 4 * v, reals(difference.vector[v])); });
  };
  for_blocks(n, block, out, q);
}

// A table instruction looks up 64 entries and leaves a lane as it is whose index is beyond them.
void lut_u8(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* out) {
  uint8x16x4_t part[4];
  unroll<4>([&](auto p) __attribute__((always_inline)) {
    unroll<4>([&](auto v)
                  __attribute__((always_inline)) { part[p].val[v] = vld1q_u8(table + 64 * p + 16 * v); });
  });
  const uint8x16_t step = vdupq_n_u8(64);
  const auto block = [&](uint8_t * y, const uint8_t* indices) __attribute__((always_inline)) {
    uint8x16_t index = vld1q_u8(indices);
    uint8x16_t entry = vqtbl4q_u8(part[0], index);
    unroll<3>([&](auto p) __attribute__((always_inline)) {
      index = vsubq_u8(index, step);
      entry = vqtbx4q_u8(entry, part[p + 1], index);
    });
    vst1q_u8(y, entry);
  };
  for_blocks(n, block, out, x);
}

void add_u8(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
            const ToU8& to, uint8_t* out) {
  const ToReals real_a(qa), real_b(qb);
  const ToLevels levels(to);
  const auto block = [&](uint8_t * y, const uint8_t* xa, const uint8_t* xb) __attribute__((always_inline)) {
    const BlockI32 da = real_a.differences(xa), db = real_b.differences(xb);
    vst1q_u8(y, levels([&](auto v) __attribute__((always_inline)) {
               return vaddq_f32(real_a(da.vector[v]), real_b(db.vector[v]));
             }));
  };
  for_blocks(n, block, out, a, b);
}

// The integer product has at most 17 bits: binary32 holds it.
void mul_u8(const uint8_t* a, const uint8_t* b, size_t n, int32_t za, int32_t zb, const ToU8& to,
            uint8_t* out) {
  const uint8x16_t zero_a = broadcast_level(za), zero_b = broadcast_level(zb);
  const ToLevels levels(to);
  const auto block = [&](uint8_t * y, const uint8_t* xa, const uint8_t* xb) __attribute__((always_inline)) {
    const Differences da(vld1q_u8(xa), zero_a), db(vld1q_u8(xb), zero_b);
    const int32x4_t product[4] = {
        vmull_s16(vget_low_s16(da.low), vget_low_s16(db.low)), vmull_high_s16(da.low, db.low),
        vmull_s16(vget_low_s16(da.high), vget_low_s16(db.high)), vmull_high_s16(da.high, db.high)};
    vst1q_u8(y, levels([&](auto v) __attribute__((always_inline)) { return vcvtq_f32_s32(product[v]); }));
  };
  for_blocks(n, block, out, a, b);
}

// clamp(combine(a, b), lo, hi)
template <typename Combine>
[[gnu::always_inline]] inline void combine_f32(const float* a, const float* b, size_t n, float lo, float hi,
                                               float* out, const Combine& combine) {
  const float32x4_t least = vdupq_n_f32(lo), most = vdupq_n_f32(hi);
  const auto block = [&](float* y, const float* xa, const float* xb) __attribute__((always_inline)) {
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      vst1q_f32(y + 4 * v, clamp(combine(vld1q_f32(xa + 4 * v), vld1q_f32(xb + 4 * v)), least, most));
    });
  };
  for_blocks(n, block, out, a, b);
}

void add_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  combine_f32(a, b, n, lo, hi, out, [](float32x4_t x, float32x4_t y) { return vaddq_f32(x, y); });
}
void mul_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  combine_f32(a, b, n, lo, hi, out, [](float32x4_t x, float32x4_t y) { return vmulq_f32(x, y); });
}

// 2^k for -126 <= k <= 127.
inline float32x4_t power_of_2(int32x4_t k) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(k, vdupq_n_s32(127)), 23));
}

inline float32x4_t exp_of(float32x4_t t) {
  t = clamp(t, vdupq_n_f32(kExpLeast), vdupq_n_f32(kExpMost));
  const float32x4_t k = vrndnq_f32(vmulq_n_f32(t, kExpLog2E));
  const float32x4_t r = vsubq_f32(vsubq_f32(t, vmulq_n_f32(k, kExpLn2High)), vmulq_n_f32(k, kExpLn2Low));
  float32x4_t series = vdupq_n_f32(kExpTerms[4]);
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    series = vaddq_f32(vmulq_f32(series, r), vdupq_n_f32(kExpTerms[3 - i]));
  });
  const float32x4_t less_1 = vaddq_f32(r, vmulq_f32(vmulq_f32(r, r), series));
  // k is from -150 to 128. The first product is exact.
  const int32x4_t power = vcvtq_s32_f32(k), half = vshrq_n_s32(power, 1);
  const float32x4_t y = vmulq_f32(vaddq_f32(vdupq_n_f32(1), less_1), power_of_2(half));
  return vmulq_f32(y, power_of_2(vsubq_s32(power, half)));
}

void exp_f32(const float* x, size_t n, float shift, float* out) {
  const float32x4_t from = vdupq_n_f32(shift);
  const auto block = [&](float* y, const float* p) __attribute__((always_inline)) {
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      vst1q_f32(y + 4 * v, exp_of(vsubq_f32(vld1q_f32(p + 4 * v), from)));
    });
  };
  for_blocks(n, block, out, x);
}

}  // namespace

void install_elementwise(Kernels& kernels) {
  kernels.quantize_u8 = quantize_u8;
  kernels.dequantize_u8 = dequantize_u8;
  kernels.lut_u8 = lut_u8;
  kernels.add_u8 = add_u8;
  kernels.mul_u8 = mul_u8;
  kernels.add_f32 = add_f32;
  kernels.mul_f32 = mul_f32;
  kernels.exp_f32 = exp_f32;
}

}  // namespace q::neondot
