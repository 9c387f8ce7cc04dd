// Tiles of up to 6 rows x 4 vectors: 24 sums, 4 vectors of weights and one broadcast fill the 32 registers.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

constexpr int kRows = 6, kVectors = 4;
constexpr size_t kColumns = 16 * kVectors;

// Four activations in every lane.
inline __m512i broadcast_4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

template <int R, int V>
void tile_u8i8(const GemmU8I8& g) {
  __m512i sum[R][4];
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<4>([&](auto v) __attribute__((always_inline)) { sum[r][v] = _mm512_setzero_si512(); });
  });
  const int8_t* b = g.b;
  for (size_t t = 0; t < g.taps; ++t) {
    const uint8_t* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = g.a[t * kRows + r]; });
    for (size_t i = 0; i < g.k; i += 4, b += kColumns * 4) {
      __m512i weights[V];
      unroll<V>([&](auto v) __attribute__((always_inline)) { weights[v] = _mm512_loadu_si512(b + 64 * v); });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const __m512i x = broadcast_4(a[r] + i);
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], x, weights[v]);
        });
      });
    }
  }
  const __mmask64 lanes = block_mask(g.columns);
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    store_requantized(sum[r], g.out, 0, lanes, g.c + r * g.c_stride);
  });
}

template <int R, int V>
void tile_f32(const GemmF32& g) {
  __m512 sum[R][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const __m512 bias = _mm512_loadu_ps(g.out.bias + 16 * v);
    unroll<R>([&](auto r) __attribute__((always_inline)) { sum[r][v] = bias; });
  });
  const float* b = g.b;
  for (size_t t = 0; t < g.taps; ++t) {
    const float* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = g.a[t * kRows + r]; });
    for (size_t i = 0; i < g.k; ++i, b += kColumns) {
      __m512 weights[V];
      unroll<V>([&](auto v) __attribute__((always_inline)) { weights[v] = _mm512_loadu_ps(b + 16 * v); });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const __m512 x = _mm512_set1_ps(a[r][i]);
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          sum[r][v] = _mm512_fmadd_ps(x, weights[v], sum[r][v]);
        });
      });
    }
  }
  const __mmask64 lanes = block_mask(g.columns);
  const __m512 lo = _mm512_set1_ps(g.out.lo), hi = _mm512_set1_ps(g.out.hi);
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      _mm512_mask_storeu_ps(g.c + r * g.c_stride + 16 * v, vector_mask(lanes, v), clamp(sum[r][v], lo, hi));
    });
  });
}

// [rows - 1][vectors - 1]: a tile at an edge does no more than it must.
constexpr void (*kTileU8I8[kRows][kVectors])(const GemmU8I8&) = {
    {tile_u8i8<1, 1>, tile_u8i8<1, 2>, tile_u8i8<1, 3>, tile_u8i8<1, 4>},
    {tile_u8i8<2, 1>, tile_u8i8<2, 2>, tile_u8i8<2, 3>, tile_u8i8<2, 4>},
    {tile_u8i8<3, 1>, tile_u8i8<3, 2>, tile_u8i8<3, 3>, tile_u8i8<3, 4>},
    {tile_u8i8<4, 1>, tile_u8i8<4, 2>, tile_u8i8<4, 3>, tile_u8i8<4, 4>},
    {tile_u8i8<5, 1>, tile_u8i8<5, 2>, tile_u8i8<5, 3>, tile_u8i8<5, 4>},
    {tile_u8i8<6, 1>, tile_u8i8<6, 2>, tile_u8i8<6, 3>, tile_u8i8<6, 4>},
};
constexpr void (*kTileF32[kRows][kVectors])(const GemmF32&) = {
    {tile_f32<1, 1>, tile_f32<1, 2>, tile_f32<1, 3>, tile_f32<1, 4>},
    {tile_f32<2, 1>, tile_f32<2, 2>, tile_f32<2, 3>, tile_f32<2, 4>},
    {tile_f32<3, 1>, tile_f32<3, 2>, tile_f32<3, 3>, tile_f32<3, 4>},
    {tile_f32<4, 1>, tile_f32<4, 2>, tile_f32<4, 3>, tile_f32<4, 4>},
    {tile_f32<5, 1>, tile_f32<5, 2>, tile_f32<5, 3>, tile_f32<5, 4>},
    {tile_f32<6, 1>, tile_f32<6, 2>, tile_f32<6, 3>, tile_f32<6, 4>},
};

void gemm_u8i8(const GemmU8I8& g) {
  if (g.rows > 0 && g.columns > 0) kTileU8I8[g.rows - 1][(g.columns - 1) / 16](g);
}
void gemm_f32(const GemmF32& g) {
  if (g.rows > 0 && g.columns > 0) kTileF32[g.rows - 1][(g.columns - 1) / 16](g);
}

}  // namespace

void install_gemm(Kernels& kernels) {
  kernels.gemm_u8i8_mr = kRows;
  kernels.gemm_u8i8_nr = kColumns;
  kernels.gemm_u8i8 = gemm_u8i8;
  kernels.gemm_f32_mr = kRows;
  kernels.gemm_f32_nr = kColumns;
  kernels.gemm_f32 = gemm_f32;
}

}  // namespace q::avx512vnni
