// Panels of 2 vectors of columns in tiles of 6 rows: 12 sums, 2 vectors of weights and one broadcast of the
// 16 registers.
#include "kernels/avxvnni/row.h"
#include "kernels/avxvnni/simd.h"

namespace q::avxvnni {
namespace {

constexpr int kRows = 6, kVectors = 2;
constexpr size_t kColumns = 8 * kVectors;
constexpr int32_t kZeros[kRows] = {};

// Four activations in every lane.
inline __m256i broadcast_4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm256_set1_epi32(four);
}

// What becomes of the sums of R rows of a tile, which hold their bias already.
struct Bytes {
  const GemmU8I8& g;
  Requantize requantize;

  explicit inline Bytes(const GemmU8I8& gemm) : g(gemm), requantize(gemm.out) {}
  template <int R>
  [[gnu::always_inline]] inline void operator()(const __m256i (&sum)[R][kVectors], uint8_t* c) const {
    const __m256 multiplier[] = {_mm256_loadu_ps(g.out.multiplier), _mm256_loadu_ps(g.out.multiplier + 8)};
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      store_bytes(_mm_shuffle_epi32(requantize(sum[r], multiplier), 0xd8), g.columns,
                  c + static_cast<size_t>(r) * g.c_stride);
    });
  }
};
struct Reals {
  const GemmU8I8Real& g;

  template <int R>
  [[gnu::always_inline]] inline void operator()(const __m256i (&sum)[R][kVectors], float* c) const {
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      float* out = c + static_cast<size_t>(r) * g.c_stride;
      store_floats(as_reals(sum[r][0], g.out, 0), g.columns, out);
      if (g.columns > 8) store_floats(as_reals(sum[r][1], g.out, 8), g.columns - 8, out + 8);
    });
  }
};

template <int R, typename Gemm, typename Finish, typename C>
[[gnu::noinline]] void run_tile(const Gemm& g, const Finish& finish, const uint8_t* const* rows,
                                const int32_t* row_bias, C* c) {
  __m256i sum[R][kVectors];
  unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
    const __m256i bias = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(g.out.bias + 8 * v));
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      sum[r][v] = _mm256_add_epi32(bias, _mm256_set1_epi32(row_bias[r]));
    });
  });
  const int8_t* b = g.b;
  for (size_t t = 0; t < g.taps; ++t, rows += kRows) {
    const uint8_t* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
    for (size_t i = 0; i < g.k; i += 4, b += kColumns * 4) {
      __m256i weights[kVectors];
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
        weights[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 32 * v));
      });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const __m256i x = broadcast_4(a[r] + i);
        unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
          sum[r][v] = _mm256_dpbusd_avx_epi32(sum[r][v], x, weights[v]);
        });
      });
    }
  }
  finish(sum, c);
}

// The last rows of a panel, R or fewer: a tile at an edge does no more than it must.
template <int R, typename Gemm, typename Finish, typename C>
void last_tile(const Gemm& g, const Finish& finish, const uint8_t* const* rows, const int32_t* row_bias,
               size_t left, C* c) {
  if constexpr (R > 1) {
    if (left < R) return last_tile<R - 1>(g, finish, rows, row_bias, left, c);
  }
  run_tile<R>(g, finish, rows, row_bias, c);
}

template <typename Gemm, typename Finish>
void run_panel(const Gemm& g, const Finish& finish) {
  const uint8_t* const* rows = g.a;
  const int32_t* row_bias = g.row_bias != nullptr ? g.row_bias : kZeros;
  const size_t step = g.row_bias != nullptr ? kRows : 0;
  auto* c = g.c;
  size_t left = g.rows;
  for (; left >= kRows; left -= kRows, rows += g.taps * kRows, row_bias += step, c += kRows * g.c_stride)
    run_tile<kRows>(g, finish, rows, row_bias, c);
  if (left > 0) last_tile<kRows - 1>(g, finish, rows, row_bias, left, c);
}

void gemm_u8i8(const GemmU8I8& g) { run_panel(g, Bytes(g)); }
void gemm_u8i8_real(const GemmU8I8Real& g) { run_panel(g, Reals{g}); }

}  // namespace

void install_gemm(Kernels& kernels) {
  kernels.gemm_u8i8_mr = kRows;
  kernels.gemm_u8i8_nr = kColumns;
  kernels.gemm_u8i8 = gemm_u8i8;
  kernels.gemm_u8i8_real = gemm_u8i8_real;
}

}  // namespace q::avxvnni
