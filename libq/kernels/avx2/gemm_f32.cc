// Panels of 2 vectors of columns in tiles of 6 rows: 12 sums, 2 vectors of weights and one broadcast of the
// 16 registers.
#include "kernels/avx2/row.h"
#include "kernels/avx2/simd.h"

namespace q::avx2 {
namespace {

constexpr int kRows = 6, kVectors = 2;
constexpr size_t kColumns = 8 * kVectors;

template <int R, int V>
[[gnu::always_inline]] inline void run_tile(const GemmF32& g, const float* const* rows, __m256i last_lanes,
                                            float* c) {
  __m256 sum[R][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const __m256 bias = _mm256_loadu_ps(g.out.bias + 8 * v);
    unroll<R>([&](auto r) __attribute__((always_inline)) { sum[r][v] = bias; });
  });
  const float* b = g.b;
  for (size_t t = 0; t < g.taps; ++t, rows += kRows) {
    const float* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
    for (size_t i = 0; i < g.k; ++i, b += kColumns) {
      __m256 weights[V];
      unroll<V>([&](auto v) __attribute__((always_inline)) { weights[v] = _mm256_loadu_ps(b + 8 * v); });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const __m256 x = _mm256_set1_ps(a[r][i]);
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          sum[r][v] = _mm256_fmadd_ps(x, weights[v], sum[r][v]);
        });
      });
    }
  }
  const __m256 lo = _mm256_set1_ps(g.out.lo), hi = _mm256_set1_ps(g.out.hi);
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      float* out = c + static_cast<size_t>(r) * g.c_stride + 8 * v;
      const __m256 y = clamp(sum[r][v], lo, hi);
      if (v + 1 < V || g.columns % 8 == 0)
        _mm256_storeu_ps(out, y);
      else
        _mm256_maskstore_ps(out, last_lanes, y);
    });
  });
}

// The last rows of a panel, R or fewer: a tile at an edge does no more than it must.
template <int R, int V>
[[gnu::noinline]] void last_tile(const GemmF32& g, const float* const* rows, size_t left, __m256i last_lanes,
                                 float* c) {
  if constexpr (R > 1) {
    if (left < R) return last_tile<R - 1, V>(g, rows, left, last_lanes, c);
  }
  run_tile<R, V>(g, rows, last_lanes, c);
}

// V: the vectors that hold the columns.
template <int V>
void run_panel(const GemmF32& g) {
  const __m256i last_lanes = first_lanes(g.columns - 8 * (V - 1));
  const float* const* rows = g.a;
  float* c = g.c;
  size_t left = g.rows;
  for (; left >= kRows; left -= kRows, rows += g.taps * kRows, c += kRows * g.c_stride)
    run_tile<kRows, V>(g, rows, last_lanes, c);
  if (left > 0) last_tile<kRows - 1, V>(g, rows, left, last_lanes, c);
}

void gemm_f32(const GemmF32& g) {
  if (g.columns > 8)
    run_panel<2>(g);
  else if (g.columns > 0)
    run_panel<1>(g);
}

}  // namespace

void install_gemm_f32(Kernels& kernels) {
  kernels.gemm_f32_mr = kRows;
  kernels.gemm_f32_nr = kColumns;
  kernels.gemm_f32 = gemm_f32;
}

}  // namespace q::avx2
