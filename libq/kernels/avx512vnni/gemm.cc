// Panels of up to 4 vectors of columns, in tiles of 6 rows: 24 sums, 4 vectors of weights and one broadcast
// fill the 32 registers.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

constexpr int kRows = 6, kVectors = 4;
constexpr size_t kColumns = 16 * kVectors;
constexpr int32_t kZeros[kRows] = {};

// The weights that are wanted next, fetched into the second-level cache: the first tile would wait for them.
// A line with every step of a tile, which reads kVectors of them; so kVectors tiles fetch all, and then begin
// again.
struct Ahead {
  static constexpr size_t kLine = 64;
  const char* weights;
  size_t tile_bytes, tile = 0;

  // steps: of a tile.
  inline Ahead(const void* next, const void* b, size_t steps)
      : weights(static_cast<const char*>(next != nullptr ? next : b)), tile_bytes(steps * kLine) {}
  inline const char* next_tile() { return weights + tile++ % kVectors * tile_bytes; }
};

// Four activations in every lane.
inline __m512i broadcast_4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

// What becomes of V x 16 sums of a row.
struct Bytes {
  Requantize requantize;

  template <int V>
  [[gnu::always_inline]] inline void operator()(const __m512i (&sum)[V], __mmask64 lanes, uint8_t* c) const {
    store_block(in_order(requantize.packed(sum, 0)), lanes, c);
  }
};
struct Reals {
  const RealOutput& to;

  template <int V>
  [[gnu::always_inline]] inline void operator()(const __m512i (&sum)[V], __mmask64 lanes, float* c) const {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      _mm512_mask_storeu_ps(c + 16 * v, vector_mask(lanes, v), as_reals(sum[v], to, 16 * v));
    });
  }
};

template <int R, int V, typename Gemm, typename Finish, typename C>
[[gnu::always_inline]] inline void tile_u8i8(const Gemm& g, const Finish& finish, const uint8_t* const* rows,
                                             const int32_t* row_bias, __mmask64 lanes, C* c,
                                             const char* ahead) {
  __m512i sum[R][V];
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    const __m512i start = _mm512_set1_epi32(row_bias[r]);
    unroll<V>([&](auto v) __attribute__((always_inline)) { sum[r][v] = start; });
  });
  const int8_t* b = g.b;
  for (size_t t = 0; t < g.taps; ++t, rows += kRows) {
    const uint8_t* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
    for (size_t i = 0; i < g.k; i += 4, b += kColumns * 4, ahead += Ahead::kLine) {
      _mm_prefetch(ahead, _MM_HINT_T1);
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
  unroll<R>([&](auto r) __attribute__((always_inline)) { finish(sum[r], lanes, c + r * g.c_stride); });
}

template <int R, int V>
[[gnu::always_inline]] inline void tile_f32(const GemmF32& g, const float* const* rows, __mmask64 lanes,
                                            float* c, const char* ahead) {
  __m512 sum[R][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const __m512 bias = _mm512_loadu_ps(g.out.bias + 16 * v);
    unroll<R>([&](auto r) __attribute__((always_inline)) { sum[r][v] = bias; });
  });
  const float* b = g.b;
  for (size_t t = 0; t < g.taps; ++t, rows += kRows) {
    const float* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
    for (size_t i = 0; i < g.k; ++i, b += kColumns, ahead += Ahead::kLine) {
      _mm_prefetch(ahead, _MM_HINT_T1);
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
  const __m512 lo = _mm512_set1_ps(g.out.lo), hi = _mm512_set1_ps(g.out.hi);
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      _mm512_mask_storeu_ps(c + r * g.c_stride + 16 * v, vector_mask(lanes, v), clamp(sum[r][v], lo, hi));
    });
  });
}

// The last rows of a panel, R or fewer: a tile at an edge does no more than it must.
template <int R, int V, typename Gemm, typename Finish, typename C>
[[gnu::noinline]] void last_tile_u8i8(const Gemm& g, const Finish& finish, const uint8_t* const* rows,
                                      const int32_t* row_bias, size_t left, __mmask64 lanes, C* c,
                                      const char* ahead) {
  if constexpr (R > 1) {
    if (left < R) return last_tile_u8i8<R - 1, V>(g, finish, rows, row_bias, left, lanes, c, ahead);
  }
  tile_u8i8<R, V>(g, finish, rows, row_bias, lanes, c, ahead);
}
template <int R, int V>
[[gnu::noinline]] void last_tile_f32(const GemmF32& g, const float* const* rows, size_t left, __mmask64 lanes,
                                     float* c, const char* ahead) {
  if constexpr (R > 1) {
    if (left < R) return last_tile_f32<R - 1, V>(g, rows, left, lanes, c, ahead);
  }
  tile_f32<R, V>(g, rows, lanes, c, ahead);
}

template <int V, typename Gemm, typename Finish>
void sum_u8i8(const Gemm& g, const Finish& finish) {
  const __mmask64 lanes = block_mask(g.columns);
  Ahead ahead(g.next, g.b, g.taps * ((g.k + 3) / 4));
  const uint8_t* const* rows = g.a;
  const int32_t* row_bias = g.row_bias != nullptr ? g.row_bias : kZeros;
  const size_t step = g.row_bias != nullptr ? kRows : 0;
  auto* c = g.c;
  size_t left = g.rows;
  for (; left >= kRows; left -= kRows, rows += g.taps * kRows, row_bias += step, c += kRows * g.c_stride)
    tile_u8i8<kRows, V>(g, finish, rows, row_bias, lanes, c, ahead.next_tile());
  if (left > 0) last_tile_u8i8<kRows - 1, V>(g, finish, rows, row_bias, left, lanes, c, ahead.next_tile());
}

template <int V>
void panel_u8i8(const GemmU8I8& g) {
  sum_u8i8<V>(g, Bytes{Requantize(g.out)});
}
template <int V>
void panel_real(const GemmU8I8Real& g) {
  sum_u8i8<V>(g, Reals{g.out});
}

template <int V>
void panel_f32(const GemmF32& g) {
  const __mmask64 lanes = block_mask(g.columns);
  Ahead ahead(g.next, g.b, g.taps * g.k);
  const float* const* rows = g.a;
  float* c = g.c;
  size_t left = g.rows;
  for (; left >= kRows; left -= kRows, rows += g.taps * kRows, c += kRows * g.c_stride)
    tile_f32<kRows, V>(g, rows, lanes, c, ahead.next_tile());
  if (left > 0) last_tile_f32<kRows - 1, V>(g, rows, left, lanes, c, ahead.next_tile());
}

// By the number of vectors that hold the columns.
constexpr void (*kPanelU8I8[kVectors])(const GemmU8I8&) = {panel_u8i8<1>, panel_u8i8<2>, panel_u8i8<3>,
                                                           panel_u8i8<4>};
constexpr void (*kPanelReal[kVectors])(const GemmU8I8Real&) = {panel_real<1>, panel_real<2>, panel_real<3>,
                                                               panel_real<4>};
constexpr void (*kPanelF32[kVectors])(const GemmF32&) = {panel_f32<1>, panel_f32<2>, panel_f32<3>,
                                                         panel_f32<4>};

void gemm_u8i8(const GemmU8I8& g) {
  if (g.columns > 0) kPanelU8I8[(g.columns - 1) / 16](g);
}
void gemm_u8i8_real(const GemmU8I8Real& g) {
  if (g.columns > 0) kPanelReal[(g.columns - 1) / 16](g);
}
void gemm_f32(const GemmF32& g) {
  if (g.columns > 0) kPanelF32[(g.columns - 1) / 16](g);
}

}  // namespace

void install_gemm(Kernels& kernels) {
  kernels.gemm_u8i8_mr = kRows;
  kernels.gemm_u8i8_nr = kColumns;
  kernels.gemm_u8i8 = gemm_u8i8;
  kernels.gemm_u8i8_real = gemm_u8i8_real;
  kernels.gemm_f32_mr = kRows;
  kernels.gemm_f32_nr = kColumns;
  kernels.gemm_f32 = gemm_f32;
}

}  // namespace q::avx512vnni
