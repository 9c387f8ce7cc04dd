// The range and the histogram of a tensor.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

constexpr int kNonFinite = 0x99;  // VFPCLASSPS: quiet and signalling NaN, +inf, -inf

void minmax_f32(const float* x, size_t n, MinMaxF32* range) {
  __m512 lo = _mm512_set1_ps(range->lo), hi = _mm512_set1_ps(range->hi);
  __m512i non_finite = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = vector_mask(block_mask(n - i), 0);
    // Adding +0 turns -0 into +0.
    const __m512 value = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, x + i), _mm512_setzero_ps());
    const __mmask16 odd = _mm512_mask_fpclass_ps_mask(lanes, value, kNonFinite);
    const __mmask16 finite = lanes & ~odd;
    lo = _mm512_mask_min_ps(lo, finite, value, lo);
    hi = _mm512_mask_max_ps(hi, finite, value, hi);
    non_finite = _mm512_mask_sub_epi32(non_finite, odd, non_finite, _mm512_set1_epi32(-1));
  }
  range->lo = _mm512_reduce_min_ps(lo);
  range->hi = _mm512_reduce_max_ps(hi);
  uint32_t counts[16];
  _mm512_storeu_si512(counts, non_finite);
  for (uint32_t count : counts) range->non_finite += count;
}

// Bins of 8 values, computed in binary64, where the product is exact.
void histogram_f32(const float* x, size_t n, float scale, int64_t first, uint32_t* counts) {
  const __m512d scales = _mm512_set1_pd(scale);
  for (size_t i = 0; i < n; i += 8) {
    const __mmask8 lanes = static_cast<__mmask8>(block_mask(n - i));
    const __m256 value = _mm256_maskz_loadu_ps(lanes, x + i);
    const __m512d scaled = _mm512_mul_pd(_mm512_cvtps_pd(value), scales);
    const __m512d edge = _mm512_roundscale_pd(scaled, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    alignas(64) int64_t bin[8];
    _mm512_store_si512(bin, _mm512_sub_epi64(_mm512_cvtpd_epi64(edge), _mm512_set1_epi64(first)));
    const unsigned finite = lanes & ~_mm256_fpclass_ps_mask(value, kNonFinite);
    if (finite == 0xff) {
      unroll<8>([&](auto j) __attribute__((always_inline)) { ++counts[bin[j]]; });
    } else {
      for (int j = 0; j < 8; ++j) {
        if (finite >> j & 1) ++counts[bin[j]];
      }
    }
  }
}

}  // namespace

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::avx512vnni
