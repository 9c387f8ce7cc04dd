// Depthwise convolution of one pixel, 64 channels at a time.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

// Bytes of four rows side by side: each 128-bit part of quad[v] holds the 4 channels from 4 * v on of the 16
// channels in this part.
struct Quads {
  __m512i quad[4];
};

[[gnu::always_inline]] inline Quads interleave(__m512i r0, __m512i r1, __m512i r2, __m512i r3) {
  const __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
  const __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
  return {{_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
           _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)}};
}

// From the order of Quads to that of the channels: the transpose of a 4 x 4 matrix of 128-bit parts.
[[gnu::always_inline]] inline void transpose(__m512i (&sum)[4]) {
  const __m512i low01 = _mm512_shuffle_i32x4(sum[0], sum[1], 0x44),
                high01 = _mm512_shuffle_i32x4(sum[0], sum[1], 0xee);
  const __m512i low23 = _mm512_shuffle_i32x4(sum[2], sum[3], 0x44),
                high23 = _mm512_shuffle_i32x4(sum[2], sum[3], 0xee);
  sum[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
  sum[1] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
  sum[2] = _mm512_shuffle_i32x4(high01, high23, 0x88);
  sum[3] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
}

[[gnu::always_inline]] inline void block_u8i8(const DepthwiseU8I8& d, size_t c, __mmask64 lanes) {
  __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                    _mm512_setzero_si512()};
  size_t t = 0;
  const int8_t* weights = d.weights + c;
  for (; t + 4 <= d.taps; t += 4, weights += 4 * d.channels) {
    const auto row = [&](int i) { return _mm512_maskz_loadu_epi8(lanes, d.rows[t + i] + c); };
    const auto weight = [&](int i) { return _mm512_maskz_loadu_epi8(lanes, weights + i * d.channels); };
    const Quads x = interleave(row(0), row(1), row(2), row(3));
    const Quads w = interleave(weight(0), weight(1), weight(2), weight(3));
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sum[v] = _mm512_dpbusd_epi32(sum[v], x.quad[v], w.quad[v]);
    });
  }
  transpose(sum);
  // The taps left, mostly one (of 9, 25 or 49): a byte in each lane, the three beside it are zero in x.
  for (; t < d.taps; ++t, weights += d.channels) {
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const __mmask16 mask = vector_mask(lanes, v);
      const __m512i w = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, weights + 16 * v));
      sum[v] = _mm512_dpbusd_epi32(sum[v], load_u8_as_i32(mask, d.rows[t] + c + 16 * v), w);
    });
  }
  store_requantized(sum, d.out, c, lanes, d.c + c);
}

void depthwise_u8i8(const DepthwiseU8I8& d) {
  size_t c = 0;
  for (; c + 64 <= d.channels; c += 64) block_u8i8(d, c, ~uint64_t{0});
  if (c < d.channels) block_u8i8(d, c, block_mask(d.channels - c));
}

[[gnu::always_inline]] inline void block_f32(const DepthwiseF32& d, size_t c, __mmask64 lanes) {
  __m512 sum[4];
  unroll<4>([&](auto v) __attribute__((always_inline)) {
    sum[v] = _mm512_maskz_loadu_ps(vector_mask(lanes, v), d.out.bias + c + 16 * v);
  });
  const float* weights = d.weights + c;
  for (size_t t = 0; t < d.taps; ++t, weights += d.channels) {
    const float* x = d.rows[t] + c;
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const __mmask16 mask = vector_mask(lanes, v);
      sum[v] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + 16 * v),
                               _mm512_maskz_loadu_ps(mask, weights + 16 * v), sum[v]);
    });
  }
  const __m512 lo = _mm512_set1_ps(d.out.lo), hi = _mm512_set1_ps(d.out.hi);
  unroll<4>([&](auto v) __attribute__((always_inline)) {
    _mm512_mask_storeu_ps(d.c + c + 16 * v, vector_mask(lanes, v), clamp(sum[v], lo, hi));
  });
}

void depthwise_f32(const DepthwiseF32& d) {
  size_t c = 0;
  for (; c + 64 <= d.channels; c += 64) block_f32(d, c, ~uint64_t{0});
  if (c < d.channels) block_f32(d, c, block_mask(d.channels - c));
}

}  // namespace

void install_depthwise(Kernels& kernels) {
  kernels.depthwise_u8i8 = depthwise_u8i8;
  kernels.depthwise_f32 = depthwise_f32;
}

}  // namespace q::avx512vnni
