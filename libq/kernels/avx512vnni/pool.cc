// Pooling of one pixel, 64 channels at a time.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

void max_u8(const uint8_t* const* rows, size_t taps, size_t channels, uint8_t* out) {
  for_blocks(
      channels, [&](size_t c, __mmask64 lanes) __attribute__((always_inline)) {
        __m512i greatest = _mm512_setzero_si512();
        for (size_t t = 0; t < taps; ++t)
          greatest = _mm512_max_epu8(greatest, _mm512_maskz_loadu_epi8(lanes, rows[t] + c));
        _mm512_mask_storeu_epi8(out + c, lanes, greatest);
      });
}

// Four vectors that start from `value`, changed by `step(vector, row)` of each tap and stored as `end` makes
// them.
template <typename Step, typename End>
[[gnu::always_inline]] inline void reduce_f32(const float* const* rows, size_t taps, size_t channels,
                                              float value, float* out, const Step& step, const End& end) {
  for_blocks(
      channels, [&](size_t c, __mmask64 lanes) __attribute__((always_inline)) {
        __m512 reduced[4];
        unroll<4>([&](auto v) __attribute__((always_inline)) { reduced[v] = _mm512_set1_ps(value); });
        for (size_t t = 0; t < taps; ++t) {
          unroll<4>([&](auto v) __attribute__((always_inline)) {
            reduced[v] = step(reduced[v], _mm512_maskz_loadu_ps(vector_mask(lanes, v), rows[t] + c + 16 * v));
          });
        }
        unroll<4>([&](auto v) __attribute__((always_inline)) {
          _mm512_mask_storeu_ps(out + c + 16 * v, vector_mask(lanes, v), end(reduced[v]));
        });
      });
}

// Of a NaN, or of two zeros, the instruction gives the second operand, so what was found stays; a new NaN is
// then put in.
void max_f32(const float* const* rows, size_t taps, size_t channels, float* out) {
  reduce_f32(
      rows, taps, channels, -__builtin_inff(), out,
      [](__m512 greatest, __m512 x) __attribute__((always_inline)) {
        return _mm512_mask_mov_ps(_mm512_max_ps(x, greatest), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
      },
      [](__m512 greatest) __attribute__((always_inline)) { return greatest; });
}

void average_u8(const uint8_t* const* rows, size_t taps, size_t channels, int32_t z, float multiplier,
                uint8_t* out) {
  const Rounding rounded(z, 0, 255);
  for_blocks(
      channels, [&](size_t c, __mmask64 lanes) __attribute__((always_inline)) {
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
      });
}

void average_f32(const float* const* rows, size_t taps, size_t channels, float divisor, float* out) {
  reduce_f32(
      rows, taps, channels, 0, out,
      [](__m512 sum, __m512 x) __attribute__((always_inline)) { return _mm512_add_ps(sum, x); },
      [&](__m512 sum) __attribute__((always_inline)) { return _mm512_div_ps(sum, _mm512_set1_ps(divisor)); });
}

}  // namespace

void install_pool(Kernels& kernels) {
  kernels.max_u8 = max_u8;
  kernels.max_f32 = max_f32;
  kernels.average_u8 = average_u8;
  kernels.average_f32 = average_f32;
}

}  // namespace q::avx512vnni
