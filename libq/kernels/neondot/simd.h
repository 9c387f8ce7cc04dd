// Vectors of 4 lanes and blocks of 16: what the kernels of this row share.
// All in an anonymous namespace: elsewhere a template is a weak symbol, compiled with this row's flags.
#pragma once

#include <arm_neon.h>

#include "kernels/kernels.h"

namespace q::neondot {
namespace {

constexpr size_t kBlock = 16;  // the bytes of a vector; four vectors of 32 bits

template <int I>
struct Index {
  constexpr operator int() const { return I; }
};

// body(0) … body(N - 1), each with a constant: lanes of instructions are constants, and an array of vectors
// that is indexed in a loop does not stay in registers.
template <int N, int I = 0, typename Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  if constexpr (I < N) {
    body(Index<I>{});
    unroll<N, I + 1>(body);
  }
}

// How much of a vector lies in memory: all lanes, or the first n of them. The others are zero when loaded.
struct AllLanes {
  static inline uint8x16_t load(const uint8_t* p) { return vld1q_u8(p); }
  static inline int8x16_t load(const int8_t* p) { return vld1q_s8(p); }
  static inline float32x4_t load(const float* p) { return vld1q_f32(p); }
  static inline void store(uint8_t* p, uint8x16_t x) { vst1q_u8(p, x); }
  static inline void store(float* p, float32x4_t x) { vst1q_f32(p, x); }
};
struct FirstLanes {
  size_t n;

  template <typename T>
  inline auto load(const T* p) const {
    T x[16 / sizeof(T)] = {};
    __builtin_memcpy(x, p, n * sizeof(T));
    return AllLanes::load(x);
  }
  template <typename T, typename Vector>
  inline void store(T* p, Vector y) const {
    T x[16 / sizeof(T)];
    AllLanes::store(x, y);
    __builtin_memcpy(p, x, n * sizeof(T));
  }
};

// body(c, lanes) for blocks of so many channels from c on. The last block is moved back to be whole where
// there are enough channels: some are computed twice, to the same bits.
template <size_t width, typename Body>
[[gnu::always_inline]] inline void for_channels(size_t channels, const Body& body) {
  if (channels == 0) return;
  if (channels < width) return body(size_t{0}, FirstLanes{channels});
  for (size_t c = 0; c < channels; c += width) body(c + width > channels ? channels - width : c, AllLanes{});
}

// u8 as i8: x - 128, by turning the sign bit. There are dot products of u8 and of i8, but not of u8 with i8:
// the missing 128 times the sum of the weights is where the sums start from.
inline int8x16_t less_128(uint8x16_t x) { return vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(0x80))); }

// clamp(zero_point + level, lo, hi) as bytes. Saturating to int16 and adding the zero point leaves everything
// beyond 0..255 beyond it.
struct Bytes {
  int16x8_t zero_point;
  uint8x16_t lo, hi;

  inline Bytes(int32_t z, int32_t least, int32_t most)
      : zero_point(vdupq_n_s16(static_cast<int16_t>(z))),
        lo(vdupq_n_u8(static_cast<uint8_t>(least))),
        hi(vdupq_n_u8(static_cast<uint8_t>(most))) {}
  [[gnu::always_inline]] inline uint8x16_t operator()(const int32x4_t (&level)[4]) const {
    const int16x8_t low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(level[0]), level[1]), zero_point);
    const int16x8_t high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(level[2]), level[3]), zero_point);
    return vmaxq_u8(vminq_u8(vqmovun_high_s16(vqmovun_s16(low), high), hi), lo);
  }
};

// rint(x), limited to int32. The conversion saturates and gives 0 for a NaN, which is to give the lower limit
// here: the maximum of a NaN and a number is the number.
inline int32x4_t rounded(float32x4_t x) { return vcvtnq_s32_f32(vmaxnmq_f32(x, vdupq_n_f32(-0x1p30f))); }

// min(max(x, lo), hi) in which a NaN stays one and a zero keeps its sign: FMAX would take +0 of two zeros.
inline float32x4_t clamp(float32x4_t x, float32x4_t lo, float32x4_t hi) {
  x = vbslq_f32(vcltq_f32(x, lo), lo, x);
  return vbslq_f32(vcgtq_f32(x, hi), hi, x);
}

}  // namespace
}  // namespace q::neondot
