// Vectors of 16 lanes and blocks of 64: what the kernels of this row share.
// All in an anonymous namespace: elsewhere a template is a weak symbol, compiled with this row's flags.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

namespace q::avx512vnni {
namespace {

template <int I>
struct Index {
  constexpr operator int() const { return I; }
};

// body(0) … body(N - 1), each with a constant: GCC 12 spills an array of vectors that is indexed in a loop.
template <int N, int I = 0, typename Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  if constexpr (I < N) {
    body(Index<I>{});
    unroll<N, I + 1>(body);
  }
}

// The lanes of a block that exist when `left` elements are left.
inline __mmask64 block_mask(size_t left) { return left < 64 ? (uint64_t{1} << left) - 1 : ~uint64_t{0}; }
// Of those the ones of vector `v`.
inline __mmask16 vector_mask(__mmask64 block, int v) { return static_cast<__mmask16>(block >> (16 * v)); }

// body(i, lanes) for blocks of 64 elements from i on; the compiler sees that all lanes of whole ones exist.
template <typename Body>
[[gnu::always_inline]] inline void for_blocks(size_t n, const Body& body) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) body(i, ~uint64_t{0});
  if (i < n) body(i, block_mask(n - i));
}

inline __m512i load_u8_as_i32(__mmask16 lanes, const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, p));
}
inline __m512 load_u8_as_f32(__mmask16 lanes, const uint8_t* p) {
  return _mm512_cvtepi32_ps(load_u8_as_i32(lanes, p));
}

// Packing 4 vectors of int32 to bytes works within 128 bits: doubleword 4 * i + v holds the bytes
// 4 * i … 4 * i + 3 of vector v. This puts them in order.
inline __m512i in_order(__m512i packed) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, packed);
}

// A whole store is much faster than one with a mask.
inline void store_block(__m512i bytes, __mmask64 lanes, uint8_t* out) {
  if (lanes == ~uint64_t{0})
    _mm512_storeu_si512(out, bytes);
  else
    _mm512_mask_storeu_epi8(out, lanes, bytes);
}

// The levels of a block, 0..255 in 4 x 16 lanes, stored as bytes.
[[gnu::always_inline]] inline void store_levels(const __m512i (&level)[4], __mmask64 lanes, uint8_t* out) {
  store_block(in_order(_mm512_packus_epi16(_mm512_packs_epi32(level[0], level[1]),
                                           _mm512_packs_epi32(level[2], level[3]))),
              lanes, out);
}

// clamp(zero_point + rint(x), lo, hi); a NaN gives lo.
struct Rounding {
  __m512 least, most;
  __m512i zero_point;

  inline Rounding(int32_t z, int32_t lo, int32_t hi)
      : least(_mm512_set1_ps(static_cast<float>(lo - z))),
        most(_mm512_set1_ps(static_cast<float>(hi - z))),
        zero_point(_mm512_set1_epi32(z)) {}
  inline __m512i operator()(__m512 x) const {
    x = _mm512_min_ps(_mm512_max_ps(x, least), most);
    return _mm512_add_epi32(_mm512_cvtps_epi32(x), zero_point);
  }
};

// clamp(zero_point + level, lo, hi) of 64 int32 as bytes, in the order that packing gives. Saturating to
// int16 and adding the zero point leaves everything beyond 0..255 beyond it.
struct Saturation {
  __m512i zero_point, lo, hi;

  inline Saturation(int32_t z, int32_t least, int32_t most)
      : zero_point(_mm512_set1_epi16(static_cast<int16_t>(z))),
        lo(_mm512_set1_epi8(static_cast<char>(least))),
        hi(_mm512_set1_epi8(static_cast<char>(most))) {}
  [[gnu::always_inline]] inline __m512i operator()(const __m512i (&level)[4]) const {
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(level[0], level[1]), zero_point);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(level[2], level[3]), zero_point);
    return _mm512_max_epu8(_mm512_min_epu8(_mm512_packus_epi16(low, high), hi), lo);
  }
};

// What becomes of sums: their bias and multiplier by channel, and limits for all.
struct Requantize {
  const int32_t* bias;
  const float* multiplier;
  Saturation saturate;

  explicit inline Requantize(const U8Output& to)
      : bias(to.bias), multiplier(to.multiplier), saturate(to.zero_point, to.lo, to.hi) {}

  // rint(f32(sum + bias) * multiplier) of the 16 channels from `channel` on. What leaves int32 is only cut
  // above, because the conversion gives the least int32 for all that it cannot express, also for a NaN.
  inline __m512i level(__m512i sum, size_t channel) const {
    const __m512i biased = _mm512_add_epi32(sum, _mm512_loadu_si512(bias + channel));
    const __m512 level = _mm512_mul_ps(_mm512_cvtepi32_ps(biased), _mm512_loadu_ps(multiplier + channel));
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(0x1p30f), level));
  }

  // V x 16 sums from `channel` on as bytes, in the order that packing gives.
  template <int V>
  [[gnu::always_inline]] inline __m512i packed(const __m512i (&sum)[V], size_t channel) const {
    __m512i levels[4] = {};
    unroll<V>([&](auto v) __attribute__((always_inline)) { levels[v] = level(sum[v], channel + 16 * v); });
    return saturate(levels);
  }
};

// What becomes of 16 sums where reals are wanted.
inline __m512 as_reals(__m512i sum, const RealOutput& to, size_t channel) {
  const __m512i biased = _mm512_add_epi32(sum, _mm512_loadu_si512(to.bias + channel));
  const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(biased), _mm512_loadu_ps(to.multiplier + channel));
  return _mm512_add_ps(product, _mm512_loadu_ps(to.offset + channel));
}

// min(max(x, lo), hi). These operands in this order: of a NaN, or of two zeros, the instructions give the
// second.
inline __m512 clamp(__m512 x, __m512 lo, __m512 hi) { return _mm512_min_ps(hi, _mm512_max_ps(lo, x)); }

}  // namespace
}  // namespace q::avx512vnni
