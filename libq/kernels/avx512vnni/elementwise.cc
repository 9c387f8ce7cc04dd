// Operations on every element by itself, 64 at a time. Multiplications and additions stay apart: nothing is
// fused here.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

// Levels of reals, not yet limited; those of NaN are 0. What leaves int32 is only cut above, because the
// conversion gives the least int32 for all that it cannot express.
struct ToLevels {
  __m512 inverse_scale;
  Saturation saturate;

  explicit inline ToLevels(const ToU8& to)
      : inverse_scale(_mm512_set1_ps(to.inverse_scale)), saturate(to.zero_point, to.lo, to.hi) {}
  inline __m512i operator()(__m512 x) const {
    const __m512 level = _mm512_mul_ps(x, inverse_scale);
    const __mmask16 is_number = _mm512_cmp_ps_mask(level, level, _CMP_ORD_Q);
    return _mm512_maskz_cvtps_epi32(is_number, _mm512_min_ps(_mm512_set1_ps(0x1p30f), level));
  }
};

// Reals of levels: scale * (q - zero_point).
struct ToReals {
  __m512 scale;
  __m512i zero_point;

  explicit inline ToReals(const AffineU8& from)
      : scale(_mm512_set1_ps(from.scale)), zero_point(_mm512_set1_epi32(from.zero_point)) {}
  inline __m512 operator()(__mmask16 lanes, const uint8_t* q) const {
    return _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_sub_epi32(load_u8_as_i32(lanes, q), zero_point)));
  }
};

// Blocks of 64 bytes, of 16 values that `level(lanes, i)` gives for the elements from i on.
template <typename Level>
[[gnu::always_inline]] inline void write_levels(size_t n, const Saturation& saturate, uint8_t* out,
                                                const Level& level) {
  for_blocks(
      n, [&](size_t i, __mmask64 lanes) __attribute__((always_inline)) {
        __m512i levels[4];
        unroll<4>([&](auto v) __attribute__((always_inline)) {
          levels[v] = level(vector_mask(lanes, v), i + 16 * v);
        });
        store_block(in_order(saturate(levels)), lanes, out + i);
      });
}

// Blocks of 4 x 16 floats that `value(lanes, i)` gives.
template <typename Value>
[[gnu::always_inline]] inline void write_floats(size_t n, float* out, const Value& value) {
  for_blocks(
      n, [&](size_t i, __mmask64 lanes) __attribute__((always_inline)) {
        unroll<4>([&](auto v) __attribute__((always_inline)) {
          const __mmask16 mask = vector_mask(lanes, v);
          _mm512_mask_storeu_ps(out + i + 16 * v, mask, value(mask, i + 16 * v));
        });
      });
}

void quantize_u8(const float* x, size_t n, const ToU8& to, uint8_t* out) {
  const ToLevels levels(to);
  write_levels(
      n, levels.saturate, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) {
        return levels(_mm512_maskz_loadu_ps(lanes, x + i));
      });
}

void dequantize_u8(const uint8_t* q, size_t n, const AffineU8& from, float* out) {
  const ToReals reals(from);
  write_floats(
      n, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) { return reals(lanes, q + i); });
}

// Without VBMI there is no permutation of 256 bytes, but one of 64 words: two of them hold the table, as
// pairs of entries.
struct Table {
  __m512i pairs[4];

  explicit inline Table(const uint8_t* entries) {
    unroll<4>([&](auto v)
                  __attribute__((always_inline)) { pairs[v] = _mm512_loadu_si512(entries + 64 * v); });
  }
  // Of 32 bytes in words.
  inline __m512i operator()(__m512i at) const {
    const __m512i pair = _mm512_srli_epi16(at, 1);
    const __m512i low = _mm512_permutex2var_epi16(pairs[0], pair, pairs[1]);
    const __m512i high = _mm512_permutex2var_epi16(pairs[2], pair, pairs[3]);
    const __m512i both = _mm512_mask_mov_epi16(low, _mm512_test_epi16_mask(at, _mm512_set1_epi16(128)), high);
    const __mmask32 odd = _mm512_test_epi16_mask(at, _mm512_set1_epi16(1));
    return _mm512_mask_srli_epi16(both, odd, both, 8);
  }
};

void lut_u8(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* out) {
  const Table entries(table);
  for_blocks(
      n, [&](size_t i, __mmask64 lanes) __attribute__((always_inline)) {
        unroll<2>([&](auto v) __attribute__((always_inline)) {
          const __mmask32 mask = static_cast<__mmask32>(lanes >> (32 * v));
          const __m512i at = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, x + i + 32 * v));
          _mm256_mask_storeu_epi8(out + i + 32 * v, mask, _mm512_cvtepi16_epi8(entries(at)));
        });
      });
}

// The bytes of every doubleword in four vectors: lane j of vector v is byte 4 j + v, less the zero point. The
// instruction that multiplies and adds four bytes takes one of them out.
struct Split {
  __m512i minus_zero_point;

  explicit inline Split(int32_t zero_point) : minus_zero_point(_mm512_set1_epi32(-zero_point)) {}
  inline __m512i operator()(__m512i bytes, int v) const {
    return _mm512_dpbusd_epi32(minus_zero_point, bytes, _mm512_set1_epi32(1 << (8 * v)));
  }
  // Puts in order what packing four such vectors gives: 4 x 4 bytes are turned.
  static inline __m512i join(__m512i packed) {
    const __m128i turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_shuffle_epi8(packed, _mm512_broadcast_i32x4(turn));
  }
};

// Whether no sum of two operands is a NaN or leaves int32 as a level: the limits can then wait until 64
// levels are bytes.
bool is_near(const AffineU8& a, const AffineU8& b, const ToU8& to) {
  const float reach = 512 * (__builtin_fabsf(a.scale) + __builtin_fabsf(b.scale));
  return reach * __builtin_fabsf(to.inverse_scale) < 0x1p30f;  // false for a NaN, and for infinity
}

void add_near_u8(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
                 const ToU8& to, uint8_t* out) {
  const Split split_a(qa.zero_point), split_b(qb.zero_point);
  const __m512 scale_a = _mm512_set1_ps(qa.scale), scale_b = _mm512_set1_ps(qb.scale);
  const __m512 inverse_scale = _mm512_set1_ps(to.inverse_scale);
  const Saturation saturate(to.zero_point, to.lo, to.hi);
  for_blocks(
      n, [&](size_t i, __mmask64 lanes) __attribute__((always_inline)) {
        const __m512i bytes_a = _mm512_maskz_loadu_epi8(lanes, a + i);
        const __m512i bytes_b = _mm512_maskz_loadu_epi8(lanes, b + i);
        __m512i levels[4];
        unroll<4>([&](auto v) __attribute__((always_inline)) {
          const __m512 real_a = _mm512_mul_ps(scale_a, _mm512_cvtepi32_ps(split_a(bytes_a, v)));
          const __m512 real_b = _mm512_mul_ps(scale_b, _mm512_cvtepi32_ps(split_b(bytes_b, v)));
          levels[v] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_add_ps(real_a, real_b), inverse_scale));
        });
        store_block(Split::join(saturate(levels)), lanes, out + i);
      });
}

// Q(D(a) + D(b)).
void add_u8(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
            const ToU8& to, uint8_t* out) {
  if (is_near(qa, qb, to)) return add_near_u8(a, b, n, qa, qb, to, out);
  const ToReals real_a(qa), real_b(qb);
  const ToLevels levels(to);
  write_levels(
      n, levels.saturate, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) {
        return levels(_mm512_add_ps(real_a(lanes, a + i), real_b(lanes, b + i)));
      });
}

// The integer product has at most 17 bits: binary32 holds it.
void mul_u8(const uint8_t* a, const uint8_t* b, size_t n, int32_t za, int32_t zb, const ToU8& to,
            uint8_t* out) {
  const __m512i zero_a = _mm512_set1_epi32(za), zero_b = _mm512_set1_epi32(zb);
  const ToLevels levels(to);
  write_levels(
      n, levels.saturate, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) {
        return levels(
            _mm512_cvtepi32_ps(_mm512_mullo_epi32(_mm512_sub_epi32(load_u8_as_i32(lanes, a + i), zero_a),
                                                  _mm512_sub_epi32(load_u8_as_i32(lanes, b + i), zero_b))));
      });
}

void add_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  const __m512 least = _mm512_set1_ps(lo), most = _mm512_set1_ps(hi);
  write_floats(
      n, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) {
        return clamp(_mm512_add_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i)),
                     least, most);
      });
}

void mul_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  const __m512 least = _mm512_set1_ps(lo), most = _mm512_set1_ps(hi);
  write_floats(
      n, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) {
        return clamp(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i)),
                     least, most);
      });
}

inline __m512 times(__m512 x, float factor) { return _mm512_mul_ps(x, _mm512_set1_ps(factor)); }

inline __m512 exp_of(__m512 t) {
  t = clamp(t, _mm512_set1_ps(kExpLeast), _mm512_set1_ps(kExpMost));
  const __m512 k = _mm512_roundscale_ps(times(t, kExpLog2E), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(_mm512_sub_ps(t, times(k, kExpLn2High)), times(k, kExpLn2Low));
  __m512 series = _mm512_set1_ps(kExpTerms[4]);
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    series = _mm512_add_ps(_mm512_mul_ps(series, r), _mm512_set1_ps(kExpTerms[3 - i]));
  });
  const __m512 less_1 = _mm512_add_ps(r, _mm512_mul_ps(_mm512_mul_ps(r, r), series));
  return _mm512_scalef_ps(_mm512_add_ps(_mm512_set1_ps(1), less_1), k);
}

void exp_f32(const float* x, size_t n, float shift, float* out) {
  const __m512 from = _mm512_set1_ps(shift);
  write_floats(
      n, out, [&](__mmask16 lanes, size_t i) __attribute__((always_inline)) {
        return exp_of(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), from));
      });
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
  kernels.exp_f32 = exp_f32;
}

}  // namespace q::avx512vnni
