// Operations on every element by itself, 32 bytes of u8 at a time. Multiplications and additions stay apart:
// nothing is fused here.
#include "kernels/avx2/row.h"
#include "kernels/avx2/simd.h"

namespace q::avx2 {
namespace {

// Levels of reals; a NaN gives the zero point before clamping.
struct ToLevels {
  __m256 inverse_scale;
  Rounding rounded;

  explicit inline ToLevels(const ToU8& to)
      : inverse_scale(_mm256_set1_ps(to.inverse_scale)), rounded(to.zero_point, to.lo, to.hi) {}
  // 32 of them, in the order of Rounding::packed.
  inline __m256i operator()(const __m256 (&x)[4]) const {
    __m256 level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      level[v] = _mm256_mul_ps(x[v], inverse_scale);
      level[v] = _mm256_and_ps(level[v], _mm256_cmp_ps(level[v], level[v], _CMP_ORD_Q));
    });
    return rounded.packed(level);
  }
};

// A byte q below the exponent of 2^23 is the float 2^23 + q.
constexpr float kBase = 0x1p23f;
constexpr int kBaseBits = 0x4b000000;

// 32 bytes as floats above kBase, in the order that Rounding::packed undoes.
struct Levels {
  __m256 above_base[4];

  explicit inline Levels(const uint8_t* q) {
    const __m256i bytes = load_32(q), base = _mm256_set1_epi16(kBaseBits >> 16);
    const __m256i low = _mm256_unpacklo_epi8(bytes, _mm256_setzero_si256());
    const __m256i high = _mm256_unpackhi_epi8(bytes, _mm256_setzero_si256());
    above_base[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(low, base));
    above_base[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(low, base));
    above_base[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(high, base));
    above_base[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(high, base));
  }
};

// Reals of levels: scale * (q - zero_point).
struct ToReals {
  __m256 scale, zero_point;

  explicit inline ToReals(const AffineU8& from)
      : scale(_mm256_set1_ps(from.scale)),
        zero_point(_mm256_set1_ps(kBase + static_cast<float>(from.zero_point))) {}
  inline __m256 operator()(__m256 above_base) const {
    return _mm256_mul_ps(scale, _mm256_sub_ps(above_base, zero_point));
  }
};

void quantize_u8(const float* x, size_t n, const ToU8& to, uint8_t* out) {
  const ToLevels levels(to);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const auto block = [&](uint8_t * y, const float* p) __attribute__((always_inline)) {
    const __m256 reals[] = {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), _mm256_loadu_ps(p + 16),
                            _mm256_loadu_ps(p + 24)};
    store_32(_mm256_permutevar8x32_epi32(levels(reals), order), y);
  };
  for_blocks<32>(n, block, out, x);
}

void dequantize_u8(const uint8_t* q, size_t n, const AffineU8& from, float* out) {
  const ToReals real(from);
  const auto block = [&](float* y, const uint8_t* p) __attribute__((always_inline)) {
    const __m256i level = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i above_base = _mm256_or_si256(level, _mm256_set1_epi32(kBaseBits));
    _mm256_storeu_ps(y, real(_mm256_castsi256_ps(above_base)));
  };
  for_blocks<8>(n, block, out, q);
}

// A permutation of 16 bytes finds the entries of a sixteenth of the table, and 0 where bit 7 of the index is
// set. With each sixteenth of a quarter xor-ed to the one before it, and the index lowered by 16 from one to
// the next, the xor of what all four find is the entry of the quarter. Bits 6 and 7 choose among the
// quarters.
void lut_u8(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* out) {
  alignas(32) uint8_t parts[256];
  for (size_t i = 0; i < 256; ++i) parts[i] = i % 64 < 16 ? table[i] : table[i] ^ table[i - 16];
  const auto block = [&](uint8_t * y, const uint8_t* p) __attribute__((always_inline)) {
    const __m256i at = load_32(p);
    __m256i index = _mm256_and_si256(at, _mm256_set1_epi8(63)), entry[4] = {};
    unroll<4>([&](auto step) __attribute__((always_inline)) {
      unroll<4>([&](auto quarter) __attribute__((always_inline)) {
        const __m256i part = _mm256_broadcastsi128_si256(
            _mm_load_si128(reinterpret_cast<const __m128i*>(parts + 64 * quarter + 16 * step)));
        entry[quarter] = _mm256_xor_si256(entry[quarter], _mm256_shuffle_epi8(part, index));
        settle(entry[quarter]);
      });
      index = _mm256_sub_epi8(index, _mm256_set1_epi8(16));
    });
    const __m256i bit6 = _mm256_slli_epi16(at, 1);  // topmost of its byte, where the choice is made
    store_32(_mm256_blendv_epi8(_mm256_blendv_epi8(entry[0], entry[1], bit6),
                                _mm256_blendv_epi8(entry[2], entry[3], bit6), at),
             y);
  };
  for_blocks<32>(n, block, out, x);
}

void add_u8(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
            const ToU8& to, uint8_t* out) {
  const ToReals real_a(qa), real_b(qb);
  const ToLevels levels(to);
  const auto block = [&](uint8_t * y, const uint8_t* p, const uint8_t* q) __attribute__((always_inline)) {
    const Levels level_a(p), level_b(q);
    __m256 sum[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sum[v] = _mm256_add_ps(real_a(level_a.above_base[v]), real_b(level_b.above_base[v]));
    });
    store_32(levels(sum), y);
  };
  for_blocks<32>(n, block, out, a, b);
}

// The integer product has at most 17 bits: binary32 holds it.
void mul_u8(const uint8_t* a, const uint8_t* b, size_t n, int32_t za, int32_t zb, const ToU8& to,
            uint8_t* out) {
  const __m256 zero_a = _mm256_set1_ps(kBase + static_cast<float>(za)),
               zero_b = _mm256_set1_ps(kBase + static_cast<float>(zb));
  const ToLevels levels(to);
  const auto block = [&](uint8_t * y, const uint8_t* p, const uint8_t* q) __attribute__((always_inline)) {
    const Levels level_a(p), level_b(q);
    __m256 product[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      product[v] = _mm256_mul_ps(_mm256_sub_ps(level_a.above_base[v], zero_a),
                                 _mm256_sub_ps(level_b.above_base[v], zero_b));
    });
    store_32(levels(product), y);
  };
  for_blocks<32>(n, block, out, a, b);
}

void add_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  const __m256 least = _mm256_set1_ps(lo), most = _mm256_set1_ps(hi);
  const auto block = [&](float* y, const float* p, const float* q) __attribute__((always_inline)) {
    _mm256_storeu_ps(y, clamp(_mm256_add_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(q)), least, most));
  };
  for_blocks<8>(n, block, out, a, b);
}

void mul_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  const __m256 least = _mm256_set1_ps(lo), most = _mm256_set1_ps(hi);
  const auto block = [&](float* y, const float* p, const float* q) __attribute__((always_inline)) {
    _mm256_storeu_ps(y, clamp(_mm256_mul_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(q)), least, most));
  };
  for_blocks<8>(n, block, out, a, b);
}

inline __m256 times(__m256 x, float factor) { return _mm256_mul_ps(x, _mm256_set1_ps(factor)); }

// 2^k for -126 <= k <= 127.
inline __m256 power_of_2(__m256i k) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}

constexpr int kExpVectors = 4;  // side by side: the steps of one wait for each other

inline void exp_of(__m256 (&x)[kExpVectors]) {
  __m256 k[kExpVectors], series[kExpVectors];
  __m256i power[kExpVectors];
  unroll<kExpVectors>([&](auto v) __attribute__((always_inline)) {
    x[v] = clamp(x[v], _mm256_set1_ps(kExpLeast), _mm256_set1_ps(kExpMost));
    power[v] = _mm256_cvtps_epi32(times(x[v], kExpLog2E));
    k[v] = _mm256_cvtepi32_ps(power[v]);
    x[v] = _mm256_sub_ps(_mm256_sub_ps(x[v], times(k[v], kExpLn2High)), times(k[v], kExpLn2Low));
    series[v] = _mm256_set1_ps(kExpTerms[4]);
  });
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    unroll<kExpVectors>([&](auto v) __attribute__((always_inline)) {
      series[v] = _mm256_add_ps(_mm256_mul_ps(series[v], x[v]), _mm256_set1_ps(kExpTerms[3 - i]));
    });
  });
  unroll<kExpVectors>([&](auto v) __attribute__((always_inline)) {
    const __m256 less_1 = _mm256_add_ps(x[v], _mm256_mul_ps(_mm256_mul_ps(x[v], x[v]), series[v]));
    // k is from -150 to 128. The first product is exact.
    const __m256i half = _mm256_srai_epi32(power[v], 1);
    const __m256 y = _mm256_mul_ps(_mm256_add_ps(_mm256_set1_ps(1), less_1), power_of_2(half));
    x[v] = _mm256_mul_ps(y, power_of_2(_mm256_sub_epi32(power[v], half)));
  });
}

void exp_f32(const float* x, size_t n, float shift, float* out) {
  const __m256 from = _mm256_set1_ps(shift);
  const auto block = [&](float* y, const float* p) __attribute__((always_inline)) {
    __m256 t[kExpVectors];
    unroll<kExpVectors>([&](auto v) __attribute__((always_inline)) {
      t[v] = _mm256_sub_ps(_mm256_loadu_ps(p + 8 * v), from);
    });
    exp_of(t);
    unroll<kExpVectors>([&](auto v) __attribute__((always_inline)) { _mm256_storeu_ps(y + 8 * v, t[v]); });
  };
  for_blocks<8 * kExpVectors>(n, block, out, x);
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

}  // namespace q::avx2
