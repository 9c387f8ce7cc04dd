// Pooling of one pixel, 16 channels at a time (floats: 8).
#include "kernels/avx2/row.h"
#include "kernels/avx2/simd.h"

namespace q::avx2 {
namespace {

void max_u8(const uint8_t* const* rows, size_t taps, size_t channels, uint8_t* out) {
  for_channels<16>(
      channels, [&](size_t c, size_t count) __attribute__((always_inline)) {
        __m128i greatest = _mm_setzero_si128();
        for (size_t t = 0; t < taps; ++t) greatest = _mm_max_epu8(greatest, load_bytes(rows[t] + c, count));
        store_bytes(greatest, count, out + c);
      });
}

void max_f32(const float* const* rows, size_t taps, size_t channels, float* out) {
  for_channels<8>(
      channels, [&](size_t c, size_t count) __attribute__((always_inline)) {
        __m256 greatest = _mm256_set1_ps(-__builtin_inff());
        for (size_t t = 0; t < taps; ++t) {
          const __m256 x = load_floats(rows[t] + c, count);
          const __m256 taken =
              _mm256_or_ps(_mm256_cmp_ps(x, greatest, _CMP_GT_OQ), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
          greatest = _mm256_blendv_ps(greatest, x, taken);
        }
        store_floats(greatest, count, out + c);
      });
}

void average_u8(const uint8_t* const* rows, size_t taps, size_t channels, int32_t z, float multiplier,
                uint8_t* out) {
  const Rounding rounded(z, 0, 255);
  const __m256 multipliers = _mm256_set1_ps(multiplier);
  for_channels<16>(
      channels, [&](size_t c, size_t count) __attribute__((always_inline)) {
        __m256i low = _mm256_set1_epi32(-z * static_cast<int32_t>(taps)), high = low;
        for (size_t t = 0; t < taps; ++t) {
          const __m128i x = load_bytes(rows[t] + c, count);
          low = _mm256_add_epi32(low, _mm256_cvtepu8_epi32(x));
          high = _mm256_add_epi32(high, _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8)));
        }
        store_bytes(rounded.bytes(_mm256_mul_ps(_mm256_cvtepi32_ps(low), multipliers),
                                  _mm256_mul_ps(_mm256_cvtepi32_ps(high), multipliers)),
                    count, out + c);
      });
}

void average_f32(const float* const* rows, size_t taps, size_t channels, float divisor, float* out) {
  for_channels<8>(
      channels, [&](size_t c, size_t count) __attribute__((always_inline)) {
        __m256 sum = _mm256_setzero_ps();
        for (size_t t = 0; t < taps; ++t) sum = _mm256_add_ps(sum, load_floats(rows[t] + c, count));
        store_floats(_mm256_div_ps(sum, _mm256_set1_ps(divisor)), count, out + c);
      });
}

}  // namespace

void install_pool(Kernels& kernels) {
  kernels.max_u8 = max_u8;
  kernels.max_f32 = max_f32;
  kernels.average_u8 = average_u8;
  kernels.average_f32 = average_f32;
}

}  // namespace q::avx2
