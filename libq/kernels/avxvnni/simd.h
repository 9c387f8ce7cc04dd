// Vectors of 8 lanes and blocks of 16: what the kernels of this row share.
// All in an anonymous namespace: elsewhere a template is a weak symbol, compiled with this row's flags.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

namespace q::avxvnni {
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

// The first `n` of 8 bytes, and zeros.
inline uint64_t load_word(const uint8_t* p, size_t n) {
  uint64_t word = 0;
  if (n >= 4) {
    uint32_t first, last;  // they overlap
    __builtin_memcpy(&first, p, 4);
    __builtin_memcpy(&last, p + n - 4, 4);
    word = uint64_t{last} << (8 * (n - 4)) | first;
  } else {
    for (size_t i = 0; i < n; ++i) word |= uint64_t{p[i]} << (8 * i);
  }
  return word;
}

// The first `n` of 16 bytes, and zeros: there are no masks for bytes.
[[maybe_unused, gnu::noinline]] __m128i load_some_bytes(const uint8_t* p, size_t n) {
  const uint64_t low = load_word(p, n < 8 ? n : 8), high = n > 8 ? load_word(p + 8, n - 8) : 0;
  return _mm_set_epi64x(static_cast<int64_t>(high), static_cast<int64_t>(low));
}

[[maybe_unused, gnu::noinline]] void store_some_bytes(__m128i bytes, size_t n, uint8_t* out) {
  if (n & 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), bytes);
    bytes = _mm_srli_si128(bytes, 8);
    out += 8;
  }
  uint64_t left = static_cast<uint64_t>(_mm_cvtsi128_si64(bytes));
  for (n %= 8; n > 0; --n, left >>= 8) *out++ = static_cast<uint8_t>(left);
}

// 16 bytes, or the first `n` when that is less.
inline __m128i load_bytes(const uint8_t* p, size_t n) {
  return n >= 16 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)) : load_some_bytes(p, n);
}
inline void store_bytes(__m128i bytes, size_t n, uint8_t* out) {
  if (n >= 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  else
    store_some_bytes(bytes, n, out);
}

// What becomes of 16 sums, which are two vectors that hold their bias already. The 4 sums of a 128-bit part
// and those of the other vector become the 8 words, then bytes, of that part.
struct Requantize {
  __m256i zero_point;
  __m128i lo, hi;

  explicit inline Requantize(const U8Output& to)
      : zero_point(_mm256_set1_epi16(static_cast<int16_t>(to.zero_point))),
        lo(_mm_set1_epi8(static_cast<char>(to.lo))),
        hi(_mm_set1_epi8(static_cast<char>(to.hi))) {}

  // What leaves int32 is only cut above, because the conversion gives the least int32 for all that it cannot
  // express, also for a NaN.
  static inline __m256i level(__m256i sum, __m256 multiplier) {
    const __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), multiplier);
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(0x1p30f), x));
  }
  // Saturating to int16 and adding the zero point leaves everything beyond 0..255 beyond it.
  inline __m128i operator()(const __m256i (&sum)[2], const __m256 (&multiplier)[2]) const {
    const __m256i words = _mm256_adds_epi16(
        _mm256_packs_epi32(level(sum[0], multiplier[0]), level(sum[1], multiplier[1])), zero_point);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    return _mm_max_epu8(_mm_min_epu8(bytes, hi), lo);
  }
};

// 8 sums that hold their bias already, as reals.
inline __m256 as_reals(__m256i sum, const RealOutput& to, size_t channel) {
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(to.multiplier + channel));
  return _mm256_add_ps(product, _mm256_loadu_ps(to.offset + channel));
}

// 8 floats, or the first `n` of them.
inline void store_floats(__m256 x, size_t n, float* out) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  if (n >= 8)
    _mm256_storeu_ps(out, x);
  else
    _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes), x);
}

}  // namespace
}  // namespace q::avxvnni
