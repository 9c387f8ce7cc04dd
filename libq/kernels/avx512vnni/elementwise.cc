// Operations on every element by itself, 64 at a time. Multiplications and additions stay apart: nothing is
// fused here.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

// Levels of reals; a NaN gives the zero point before clamping.
struct ToLevels {
  __m512 inverse_scale;
  Rounding rounded;

  explicit inline ToLevels(const ToU8& to)
      : inverse_scale(_mm512_set1_ps(to.inverse_scale)), rounded(to.zero_point, to.lo, to.hi) {}
  inline __m512i operator()(__m512 x) const {
    const __m512 level = _mm512_mul_ps(x, inverse_scale);
    return rounded(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(level, level, _CMP_ORD_Q), level));
  }
};

// Reals of levels: scale * (q - zero_point).
struct ToReals {
  __m512 scale, zero_point;

  explicit inline ToReals(const AffineU8& from)
      : scale(_mm512_set1_ps(from.scale)), zero_point(_mm512_set1_ps(static_cast<float>(from.zero_point))) {}
  inline __m512 operator()(__mmask16 lanes, const uint8_t* q) const {
    return _mm512_mul_ps(scale, _mm512_sub_ps(load_u8_as_f32(lanes, q), zero_point));
  }
};

void quantize_u8(const float* x, size_t n, const ToU8& to, uint8_t* out) {
  const ToLevels levels(to);
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 lanes = block_mask(n - i);
    __m512i level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      level[v] = levels(_mm512_maskz_loadu_ps(vector_mask(lanes, v), x + i + 16 * v));
    });
    store_levels(level, lanes, out + i);
  }
}

void dequantize_u8(const uint8_t* q, size_t n, const AffineU8& from, float* out) {
  const ToReals reals(from);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = vector_mask(block_mask(n - i), 0);
    _mm512_mask_storeu_ps(out + i, lanes, reals(lanes, q + i));
  }
}

// Without VBMI there is no permutation of 256 bytes, but one of 64 words: two of them hold the table, as
// pairs of entries.
void lut_u8(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* out) {
  const __m512i pairs0 = _mm512_loadu_si512(table), pairs1 = _mm512_loadu_si512(table + 64);
  const __m512i pairs2 = _mm512_loadu_si512(table + 128), pairs3 = _mm512_loadu_si512(table + 192);
  for (size_t i = 0; i < n; i += 32) {
    const __mmask32 lanes = static_cast<__mmask32>(block_mask(n - i));
    const __m512i at = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(lanes, x + i));
    const __m512i pair = _mm512_srli_epi16(at, 1);
    const __m512i low = _mm512_permutex2var_epi16(pairs0, pair, pairs1);
    const __m512i high = _mm512_permutex2var_epi16(pairs2, pair, pairs3);
    const __m512i both = _mm512_mask_mov_epi16(low, _mm512_test_epi16_mask(at, _mm512_set1_epi16(128)), high);
    const __mmask32 odd = _mm512_test_epi16_mask(at, _mm512_set1_epi16(1));
    const __m512i entry = _mm512_mask_srli_epi16(both, odd, both, 8);
    _mm256_mask_storeu_epi8(out + i, lanes, _mm512_cvtepi16_epi8(entry));
  }
}

// Q(D(a) + D(b)) where no sum is a NaN or leaves int32 as a level: the limits can wait until 64 levels are
// bytes.
struct NearLevels {
  __m512 scale_a, scale_b, inverse_scale;
  __m512i zero_a, zero_b;
  Saturation saturate;

  NearLevels(const AffineU8& a, const AffineU8& b, const ToU8& to)
      : scale_a(_mm512_set1_ps(a.scale)),
        scale_b(_mm512_set1_ps(b.scale)),
        inverse_scale(_mm512_set1_ps(to.inverse_scale)),
        zero_a(_mm512_set1_epi32(a.zero_point)),
        zero_b(_mm512_set1_epi32(b.zero_point)),
        saturate(to.zero_point, to.lo, to.hi) {}

  static bool fits(const AffineU8& a, const AffineU8& b, const ToU8& to) {
    const float reach = 512 * (__builtin_fabsf(a.scale) + __builtin_fabsf(b.scale));
    return reach * __builtin_fabsf(to.inverse_scale) < 0x1p30f;  // false for a NaN, and for infinity
  }

  inline __m512i operator()(__mmask16 lanes, const uint8_t* a, const uint8_t* b) const {
    const __m512 real_a =
        _mm512_mul_ps(scale_a, _mm512_cvtepi32_ps(_mm512_sub_epi32(load_u8_as_i32(lanes, a), zero_a)));
    const __m512 real_b =
        _mm512_mul_ps(scale_b, _mm512_cvtepi32_ps(_mm512_sub_epi32(load_u8_as_i32(lanes, b), zero_b)));
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_add_ps(real_a, real_b), inverse_scale));
  }
};

void add_u8(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
            const ToU8& to, uint8_t* out) {
  if (NearLevels::fits(qa, qb, to)) {
    const NearLevels levels(qa, qb, to);
    for_blocks(
        n, [&](size_t i, __mmask64 lanes) __attribute__((always_inline)) {
          __m512i level[4];
          unroll<4>([&](auto v) __attribute__((always_inline)) {
            level[v] = levels(vector_mask(lanes, v), a + i + 16 * v, b + i + 16 * v);
          });
          store_block(in_order(levels.saturate(level)), lanes, out + i);
        });
    return;
  }
  const ToReals real_a(qa), real_b(qb);
  const ToLevels levels(to);
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 lanes = block_mask(n - i);
    __m512i level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const __mmask16 mask = vector_mask(lanes, v);
      level[v] = levels(_mm512_add_ps(real_a(mask, a + i + 16 * v), real_b(mask, b + i + 16 * v)));
    });
    store_levels(level, lanes, out + i);
  }
}

void mul_u8(const uint8_t* a, const uint8_t* b, size_t n, int32_t za, int32_t zb, const ToU8& to,
            uint8_t* out) {
  const __m512 zero_a = _mm512_set1_ps(static_cast<float>(za)),
               zero_b = _mm512_set1_ps(static_cast<float>(zb));
  const ToLevels levels(to);
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 lanes = block_mask(n - i);
    __m512i level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const __mmask16 mask = vector_mask(lanes, v);
      level[v] = levels(_mm512_mul_ps(_mm512_sub_ps(load_u8_as_f32(mask, a + i + 16 * v), zero_a),
                                      _mm512_sub_ps(load_u8_as_f32(mask, b + i + 16 * v), zero_b)));
    });
    store_levels(level, lanes, out + i);
  }
}

void add_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  const __m512 least = _mm512_set1_ps(lo), most = _mm512_set1_ps(hi);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = vector_mask(block_mask(n - i), 0);
    const __m512 sum =
        _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i));
    _mm512_mask_storeu_ps(out + i, lanes, clamp(sum, least, most));
  }
}

void mul_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  const __m512 least = _mm512_set1_ps(lo), most = _mm512_set1_ps(hi);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = vector_mask(block_mask(n - i), 0);
    const __m512 product =
        _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i));
    _mm512_mask_storeu_ps(out + i, lanes, clamp(product, least, most));
  }
}

}  // namespace

void install_elementwise(Kernels& kernels) {
  kernels.quantize_u8 = quantize_u8;
  kernels.dequantize_u8 = dequantize_u8;
  kernels.lut_u8 = lut_u8;
  kernels.add_u8 = add_u8;
  kernels.mul_u8 = mul_u8;
  kernels.add_f32 = add_f32;
  kernels.mul_f32 = mul_f32;
}

}  // namespace q::avx512vnni
