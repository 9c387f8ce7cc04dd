// Products of u8 and i8, exact: both are widened to words, of which VPMADDWD adds two products without
// saturating, as VPMADDUBSW would with bytes. A block of rows and columns is widened once, a slice of its
// depth at a time: the activations for all columns, the weights for all rows. 6 x 2 sums, 2 vectors of
// weights, one broadcast and one product fill the 16 registers.
#include "kernels/avx2/row.h"
#include "kernels/avx2/simd.h"

namespace q::avx2 {
namespace {

constexpr int kRows = 6, kVectors = 2;    // of a tile, whose sums are in registers
constexpr size_t kStripe = 8 * kVectors;  // its columns
constexpr size_t kBlockRows = 11 * kRows, kColumns = 64;
constexpr size_t kDepth = 128;              // of a slice
constexpr size_t kRowStride = kDepth + 16;  // rows begin in different sets of the cache

using Stripe = int16_t[kDepth * kStripe];  // weights, [depth / 2][kStripe][2]

struct Block {
  alignas(32) int16_t x[kBlockRows][kRowStride];
  alignas(32) Stripe weights[kColumns / kStripe];
  alignas(32) int32_t sum[kBlockRows][kColumns];
};

inline void store_words(__m256i words, int16_t* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), words);
}

// Four bytes become the words 0, 2, 1, 3: in a vector of weights a word is the even byte of a pair, or the
// odd.
inline void widen(const uint8_t* a, size_t n, int16_t* x) {
  const __m256i order = _mm256_setr_epi8(0, -1, 2, -1, 1, -1, 3, -1, 4, -1, 6, -1, 5, -1, 7, -1, 8, -1, 10,
                                         -1, 9, -1, 11, -1, 12, -1, 14, -1, 13, -1, 15, -1);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i));
    store_words(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), order), x + i);
  }
  for (; i < n; i += 4) {
    const __m128i bytes = _mm_loadu_si32(a + i);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(x + i),
                     _mm_shuffle_epi8(bytes, _mm256_castsi256_si128(order)));
  }
}

void widen_weights(const int8_t* b, size_t depth, size_t columns, Stripe* stripes) {
  for (size_t i = 0; i < depth; i += 4, b += kColumns * 4) {
    for (size_t column = 0; column < columns; column += kStripe) {
      int16_t* out = stripes[column / kStripe] + i * kStripe;
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
        const __m256i bytes = load_32(reinterpret_cast<const uint8_t*>(b + column * 4 + 32 * v));
        store_words(_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), out + 16 * v);
        store_words(_mm256_srai_epi16(bytes, 8), out + 16 * (v + kVectors));
      });
    }
  }
}

// Two words in every lane.
[[gnu::always_inline]] inline __m256i broadcast_2(const int16_t* p) {
  int32_t two;
  __builtin_memcpy(&two, p, sizeof two);
  return _mm256_set1_epi32(two);
}

// Adds the products of R rows and a stripe.
template <int R>
void multiply(const int16_t* x, const int16_t* weights, size_t depth, int32_t* sums) {
  __m256i sum[R][kVectors];
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
      sum[r][v] = load_i32(sums + r * kColumns + 8 * v);
    });
  });
  for (const int16_t* end = x + depth; x < end; x += 2, weights += 2 * kStripe) {
    __m256i w[kVectors];
    unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
      w[v] = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights) + v);
    });
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const __m256i pair = broadcast_2(x + r * kRowStride);
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
        sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(pair, w[v]));
        settle(sum[r][v]);
      });
    });
  }
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(sums + r * kColumns + 8 * v), sum[r][v]);
    });
  });
}

// By the number of rows.
constexpr void (*kMultiply[])(const int16_t*, const int16_t*, size_t, int32_t*) = {
    nullptr, multiply<1>, multiply<2>, multiply<3>, multiply<4>, multiply<5>, multiply<6>};

// Rows `first` to `first + count` of a panel. finish(sum, column, n, c) makes what is wanted of the first n
// sums of a stripe, or of all.
template <typename Gemm, typename Finish>
void run_block(const Gemm& g, const Finish& finish, size_t first, size_t count) {
  Block block;
  for (size_t r = 0; r < count; ++r) {
    const __m256i start = _mm256_set1_epi32(g.row_bias != nullptr ? g.row_bias[first + r] : 0);
    for (size_t column = 0; column < (g.columns + kStripe - 1) / kStripe * kStripe; column += 8)
      _mm256_store_si256(reinterpret_cast<__m256i*>(block.sum[r] + column),
                         _mm256_add_epi32(start, load_i32(g.out.bias + column)));
  }

  const size_t row_length = (g.k + 3) / 4 * 4, length = g.taps * row_length;
  size_t tap = 0, offset = 0;
  for (size_t done = 0; done < length; done += kDepth) {
    const size_t depth = length - done < kDepth ? length - done : kDepth;
    for (size_t filled = 0; filled < depth;) {
      const size_t n = row_length - offset < depth - filled ? row_length - offset : depth - filled;
      const uint8_t* const* tile = g.a + (first / kRows * g.taps + tap) * kRows;
      for (size_t r = 0; r < count; ++r) {
        widen(tile[r % kRows] + offset, n, block.x[r] + filled);
        if (r % kRows == kRows - 1) tile += g.taps * kRows;
      }
      filled += n;
      offset += n;
      if (offset == row_length) offset = 0, ++tap;
    }
    widen_weights(g.b + done * kColumns, depth, g.columns, block.weights);
    for (size_t column = 0; column < g.columns; column += kStripe) {
      const int16_t* weights = block.weights[column / kStripe];
      for (size_t r = 0; r < count; r += kRows)
        kMultiply[count - r < kRows ? count - r : kRows](block.x[r], weights, depth, block.sum[r] + column);
    }
  }

  for (size_t r = 0; r < count; ++r) {
    for (size_t column = 0; column < g.columns; column += kStripe) {
      finish(block.sum[r] + column, column, g.columns - column, g.c + (first + r) * g.c_stride + column);
    }
  }
}

template <typename Gemm, typename Finish>
void run_blocks(const Gemm& g, const Finish& finish) {
  for (size_t r = 0; r < g.rows; r += kBlockRows)
    run_block(g, finish, r, g.rows - r < kBlockRows ? g.rows - r : kBlockRows);
}

void gemm_u8i8(const GemmU8I8& g) {
  const Requantize requantize(g.out);
  run_blocks(g, [&](const int32_t* sum, size_t column, size_t n, uint8_t* c) {
    store_bytes(requantize(load_i32(sum), load_i32(sum + 8), g.out.multiplier + column), n, c);
  });
}

void gemm_u8i8_real(const GemmU8I8Real& g) {
  run_blocks(g, [&](const int32_t* sum, size_t column, size_t n, float* c) {
    for (size_t i = 0; i < kStripe && i < n; i += 8)
      store_floats(as_reals(load_i32(sum + i), g.out, column + i), n - i, c + i);
  });
}

}  // namespace

void install_gemm_u8i8(Kernels& kernels) {
  kernels.gemm_u8i8_mr = kRows;
  kernels.gemm_u8i8_nr = kColumns;
  kernels.gemm_u8i8 = gemm_u8i8;
  kernels.gemm_u8i8_real = gemm_u8i8_real;
}

}  // namespace q::avx2
