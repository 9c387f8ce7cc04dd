// Vectors of 8 lanes and blocks of 16: what the kernels of this row share.
// All in an anonymous namespace: elsewhere a template is a weak symbol, compiled with this row's flags.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

namespace q::avx2 {
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

// Has `x` computed before what follows. Without it compilers gather all products of a step before they add
// the first one, which takes more registers than there are.
template <typename Vector>
[[gnu::always_inline]] inline void settle(const Vector& x) {
  asm volatile("" : : "x"(x));
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

// All ones in the first `n` of 8 lanes, for masked loads and stores.
inline __m256i first_lanes(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? static_cast<int>(n) : 8),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// 8 floats, or the first `n` of them and zeros.
inline __m256 load_floats(const float* p, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(n));
}
inline void store_floats(__m256 x, size_t n, float* out) {
  if (n >= 8)
    _mm256_storeu_ps(out, x);
  else
    _mm256_maskstore_ps(out, first_lanes(n), x);
}

inline __m256i load_32(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store_32(__m256i bytes, uint8_t* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
}
inline __m256i load_i32(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// clamp(zero_point + rint(x), lo, hi) as bytes; a NaN gives lo.
struct Rounding {
  __m256i zero_point, lo, hi;

  inline Rounding(int32_t z, int32_t least, int32_t most)
      : zero_point(_mm256_set1_epi16(static_cast<int16_t>(z))),
        lo(_mm256_set1_epi8(static_cast<char>(least))),
        hi(_mm256_set1_epi8(static_cast<char>(most))) {}

  // What leaves int32 is only cut above, because the conversion gives the least int32 for all that it cannot
  // express, also for a NaN.
  static inline __m256i rint(__m256 x) {
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(0x1p30f), x));
  }
  // Saturating to int16 and adding the zero point leaves everything beyond 0..255 beyond it.
  inline __m256i words(__m256 x0, __m256 x1) const {
    return _mm256_adds_epi16(_mm256_packs_epi32(rint(x0), rint(x1)), zero_point);
  }

  // 16 reals, in order.
  inline __m128i bytes(__m256 x0, __m256 x1) const {
    const __m256i levels = words(x0, x1);
    const __m128i all = _mm_packus_epi16(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
    const __m128i in_order = _mm_shuffle_epi32(all, 0xd8);
    return _mm_max_epu8(_mm_min_epu8(in_order, _mm256_castsi256_si128(hi)), _mm256_castsi256_si128(lo));
  }
  // 32 reals. Packing works within 128 bits: doubleword 4 * i + v holds the bytes 4 * i … 4 * i + 3 of x[v].
  inline __m256i packed(const __m256 (&x)[4]) const {
    const __m256i all = _mm256_packus_epi16(words(x[0], x[1]), words(x[2], x[3]));
    return _mm256_max_epu8(_mm256_min_epu8(all, hi), lo);
  }
};

// What becomes of 16 sums that hold their bias already.
struct Requantize {
  Rounding rounded;

  explicit inline Requantize(const U8Output& to) : rounded(to.zero_point, to.lo, to.hi) {}
  inline __m128i operator()(__m256i sum0, __m256i sum1, const float* multiplier) const {
    return rounded.bytes(_mm256_mul_ps(_mm256_cvtepi32_ps(sum0), _mm256_loadu_ps(multiplier)),
                         _mm256_mul_ps(_mm256_cvtepi32_ps(sum1), _mm256_loadu_ps(multiplier + 8)));
  }
};

// 8 sums that hold their bias already, as reals.
inline __m256 as_reals(__m256i sum, const RealOutput& to, size_t channel) {
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(to.multiplier + channel));
  return _mm256_add_ps(product, _mm256_loadu_ps(to.offset + channel));
}

// min(max(x, lo), hi). These operands in this order: of a NaN, or of two zeros, the instructions give the
// second.
inline __m256 clamp(__m256 x, __m256 lo, __m256 hi) { return _mm256_min_ps(hi, _mm256_max_ps(lo, x)); }

// body(first, count) for blocks of N channels; the last one begins where it ends with the channels, and
// computes some of them again. Fewer than N are one block of their own.
template <size_t N, typename Body>
[[gnu::always_inline]] inline void for_channels(size_t channels, const Body& body) {
  if (channels < N) {
    if (channels > 0) body(size_t{0}, channels);
    return;
  }
  for (size_t c = 0; c + N < channels; c += N) body(c, N);
  body(channels - N, N);
}

// `n` elements on the stack, and zeros up to N.
template <size_t N, typename T>
struct Padded {
  alignas(32) T values[N] = {};

  Padded(const T* p, size_t n) { __builtin_memcpy(values, p, n * sizeof(T)); }
};

// body(out + i, in + i …) for blocks of N elements. The end, which may be less, is computed on the stack:
// `out` may be `in`, hence no element may be computed twice.
template <size_t N, typename Body, typename Out, typename... In>
[[gnu::always_inline]] inline void for_blocks(size_t n, const Body& body, Out* out, const In*... in) {
  size_t i = 0;
  for (; i + N <= n; i += N) body(out + i, in + i...);
  if (i == n) return;
  alignas(32) Out block[N];
  body(block, Padded<N, In>(in + i, n - i).values...);
  __builtin_memcpy(out + i, block, (n - i) * sizeof(Out));
}

}  // namespace
}  // namespace q::avx2
