// Pooling of one pixel, 64 channels at a time (floats: 16).
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

void max_u8(const uint8_t* const* rows, size_t taps, size_t channels, uint8_t* out) {
  for (size_t c = 0; c < channels; c += 64) {
    const __mmask64 lanes = block_mask(channels - c);
    __m512i greatest = _mm512_setzero_si512();
    for (size_t t = 0; t < taps; ++t) {
      greatest = _mm512_max_epu8(greatest, _mm512_maskz_loadu_epi8(lanes, rows[t] + c));
    }
    _mm512_mask_storeu_epi8(out + c, lanes, greatest);
  }
}

void max_f32(const float* const* rows, size_t taps, size_t channels, float* out) {
  for (size_t c = 0; c < channels; c += 16) {
    const __mmask16 lanes = vector_mask(block_mask(channels - c), 0);
    __m512 greatest = _mm512_set1_ps(-__builtin_inff());
    for (size_t t = 0; t < taps; ++t) {
      const __m512 x = _mm512_maskz_loadu_ps(lanes, rows[t] + c);
      const __mmask16 taken =
          _mm512_cmp_ps_mask(x, greatest, _CMP_GT_OQ) | _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
      greatest = _mm512_mask_mov_ps(greatest, taken, x);
    }
    _mm512_mask_storeu_ps(out + c, lanes, greatest);
  }
}

void average_u8(const uint8_t* const* rows, size_t taps, size_t channels, int32_t z, float multiplier,
                uint8_t* out) {
  const Rounding rounded(z, 0, 255);
  for (size_t c = 0; c < channels; c += 64) {
    const __mmask64 lanes = block_mask(channels - c);
    __m512i sum[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sum[v] = _mm512_set1_epi32(-z * static_cast<int32_t>(taps));
    });
    for (size_t t = 0; t < taps; ++t) {
      unroll<4>([&](auto v) __attribute__((always_inline)) {
        sum[v] = _mm512_add_epi32(sum[v], load_u8_as_i32(vector_mask(lanes, v), rows[t] + c + 16 * v));
      });
    }
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sum[v] = rounded(_mm512_mul_ps(_mm512_cvtepi32_ps(sum[v]), _mm512_set1_ps(multiplier)));
    });
    store_levels(sum, lanes, out + c);
  }
}

void average_f32(const float* const* rows, size_t taps, size_t channels, float divisor, float* out) {
  for (size_t c = 0; c < channels; c += 16) {
    const __mmask16 lanes = vector_mask(block_mask(channels - c), 0);
    __m512 sum = _mm512_setzero_ps();
    for (size_t t = 0; t < taps; ++t) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, rows[t] + c));
    _mm512_mask_storeu_ps(out + c, lanes, _mm512_div_ps(sum, _mm512_set1_ps(divisor)));
  }
}

}  // namespace

void install_pool(Kernels& kernels) {
  kernels.max_u8 = max_u8;
  kernels.max_f32 = max_f32;
  kernels.average_u8 = average_u8;
  kernels.average_f32 = average_f32;
}

}  // namespace q::avx512vnni
