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

inline __m512i load_u8_as_i32(__mmask16 lanes, const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, p));
}
inline __m512 load_u8_as_f32(__mmask16 lanes, const uint8_t* p) {
  return _mm512_cvtepi32_ps(load_u8_as_i32(lanes, p));
}

// The levels of a block, 0..255 in 4 x 16 lanes, stored as bytes.
[[gnu::always_inline]] inline void store_levels(const __m512i (&level)[4], __mmask64 lanes, uint8_t* out) {
  const __m512i halves =
      _mm512_packus_epi16(_mm512_packs_epi32(level[0], level[1]), _mm512_packs_epi32(level[2], level[3]));
  // Packing works within 128 bits: doubleword 4 * i + v holds the bytes 4 * i … 4 * i + 3 of vector v.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_mask_storeu_epi8(out, lanes, _mm512_permutexvar_epi32(order, halves));
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

// The sums of a block of channels from `channel` on, requantized and stored.
[[gnu::always_inline]] inline void store_requantized(const __m512i (&sum)[4], const U8Output& to,
                                                     size_t channel, __mmask64 lanes, uint8_t* out) {
  const Rounding rounded(to.zero_point, to.lo, to.hi);
  __m512i level[4];
  unroll<4>([&](auto v) __attribute__((always_inline)) {
    const __mmask16 mask = vector_mask(lanes, v);
    const __m512i bias = _mm512_maskz_loadu_epi32(mask, to.bias + channel + 16 * v);
    const __m512 multiplier = _mm512_maskz_loadu_ps(mask, to.multiplier + channel + 16 * v);
    level[v] = rounded(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sum[v], bias)), multiplier));
  });
  store_levels(level, lanes, out);
}

// min(max(x, lo), hi). These operands in this order: of a NaN, or of two zeros, the instructions give the
// second.
inline __m512 clamp(__m512 x, __m512 lo, __m512 hi) { return _mm512_min_ps(hi, _mm512_max_ps(lo, x)); }

}  // namespace
}  // namespace q::avx512vnni
