// Panels of up to 4 vectors of columns, in tiles of 6 rows: 24 sums, the activations of 6 rows and a vector
// of weights fill the 32 registers.
#include "kernels/neondot/row.h"
#include "kernels/neondot/simd.h"

namespace q::neondot {
namespace {

constexpr int kRows = 6, kVectors = 4;
constexpr size_t kColumns = 4 * kVectors;
constexpr int32_t kZeros[kRows] = {};

// What the sums of a panel start from: their bias and, because activations come less 128, 128 times the sum
// of their weights. Padding behind k is zero there and adds nothing.
template <int V>
struct Start {
  int32x4_t sum[V];

  template <typename Gemm>
  [[gnu::noinline]] explicit Start(const Gemm& g) {
    const int8x16_t one = vdupq_n_s8(1);
    int32x4_t weights[V];
    unroll<V>([&](auto v) __attribute__((always_inline)) { weights[v] = vdupq_n_s32(0); });
    const int8_t* b = g.b;
    for (size_t i = g.taps * ((g.k + 3) / 4); i > 0; --i, b += kColumns * 4) {
      unroll<V>([&](auto v) __attribute__((always_inline)) {
        weights[v] = vdotq_s32(weights[v], vld1q_s8(b + 16 * v), one);
      });
    }
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      sum[v] = vaddq_s32(vld1q_s32(g.out.bias + 4 * v), vshlq_n_s32(weights[v], 7));
    });
  }
};

// Four activations less 128 in every lane.
inline int8x16_t broadcast_4(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return less_128(vreinterpretq_u8_u32(vdupq_n_u32(four)));
}

// What becomes of V vectors of sums of a row.
template <int V>
[[gnu::always_inline]] inline void finish(const GemmU8I8& g, const int32x4_t (&sum)[V], uint8_t* out) {
  const Bytes bytes(g.out.zero_point, g.out.lo, g.out.hi);
  int32x4_t level[4];
  unroll<4>([&](auto v) __attribute__((always_inline)) {
    if constexpr (v < V) {
      level[v] = rounded(vmulq_f32(vcvtq_f32_s32(sum[v]), vld1q_f32(g.out.multiplier + 4 * v)));
    } else {
      level[v] = vdupq_n_s32(0);
    }
  });
  if (g.columns == kColumns) {
    vst1q_u8(out, bytes(level));
  } else {
    FirstLanes{g.columns}.store(out, bytes(level));
  }
}
template <int V>
[[gnu::always_inline]] inline void finish(const GemmU8I8Real& g, const int32x4_t (&sum)[V], float* out) {
  const size_t last = g.columns - 4 * (V - 1);  // columns in the last vector
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const float32x4_t product = vmulq_f32(vcvtq_f32_s32(sum[v]), vld1q_f32(g.out.multiplier + 4 * v));
    const float32x4_t y = vaddq_f32(product, vld1q_f32(g.out.offset + 4 * v));
    if (v < V - 1 || last == 4) {
      vst1q_f32(out + 4 * v, y);
    } else {
      FirstLanes{last}.store(out + 4 * v, y);
    }
  });
}

template <int R, int V, typename Gemm, typename C>
[[gnu::always_inline]] inline void tile_u8i8(const Gemm& g, const Start<V>& start, const uint8_t* const* rows,
                                             const int32_t* row_bias, C* c) {
  int32x4_t sum[R][V];
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    const int32x4_t more = vdupq_n_s32(row_bias[r]);
    unroll<V>([&](auto v) __attribute__((always_inline)) { sum[r][v] = vaddq_s32(start.sum[v], more); });
  });
  const int8_t* b = g.b;
  for (size_t t = 0; t < g.taps; ++t, rows += kRows) {
    const uint8_t* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
    size_t i = 0;
    for (; i + 16 <= g.k; i += 16, b += kColumns * 16) {
      int8x16_t x[R];
      unroll<R>([&](auto r) __attribute__((always_inline)) { x[r] = less_128(vld1q_u8(a[r] + i)); });
      unroll<4>([&](auto group) __attribute__((always_inline)) {
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          const int8x16_t weights = vld1q_s8(b + group * kColumns * 4 + 16 * v);
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            sum[r][v] = vdotq_laneq_s32(sum[r][v], weights, x[r], group);
          });
        });
      });
    }
    for (; i < g.k; i += 4, b += kColumns * 4) {
      int8x16_t x[R];
      unroll<R>([&](auto r) __attribute__((always_inline)) { x[r] = broadcast_4(a[r] + i); });
      unroll<V>([&](auto v) __attribute__((always_inline)) {
        const int8x16_t weights = vld1q_s8(b + 16 * v);
        unroll<R>([&](auto r)
                      __attribute__((always_inline)) { sum[r][v] = vdotq_s32(sum[r][v], weights, x[r]); });
      });
    }
  }
  unroll<R>([&](auto r) __attribute__((always_inline)) { finish(g, sum[r], c + r * g.c_stride); });
}

template <int R, int V>
[[gnu::always_inline]] inline void tile_f32(const GemmF32& g, const float* const* rows, float* c) {
  float32x4_t sum[R][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const float32x4_t bias = vld1q_f32(g.out.bias + 4 * v);
    unroll<R>([&](auto r) __attribute__((always_inline)) { sum[r][v] = bias; });
  });
  const float* b = g.b;
  for (size_t t = 0; t < g.taps; ++t, rows += kRows) {
    const float* a[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { a[r] = rows[r]; });
    size_t i = 0;
    for (; i + 4 <= g.k; i += 4, b += kColumns * 4) {
      float32x4_t x[R];
      unroll<R>([&](auto r) __attribute__((always_inline)) { x[r] = vld1q_f32(a[r] + i); });
      unroll<4>([&](auto step) __attribute__((always_inline)) {
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          const float32x4_t weights = vld1q_f32(b + step * kColumns + 4 * v);
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            sum[r][v] = vfmaq_laneq_f32(sum[r][v], weights, x[r], step);
          });
        });
      });
    }
    for (; i < g.k; ++i, b += kColumns) {
      unroll<V>([&](auto v) __attribute__((always_inline)) {
        const float32x4_t weights = vld1q_f32(b + 4 * v);
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          sum[r][v] = vfmaq_n_f32(sum[r][v], weights, a[r][i]);
        });
      });
    }
  }
  const float32x4_t lo = vdupq_n_f32(g.out.lo), hi = vdupq_n_f32(g.out.hi);
  const size_t last = g.columns - 4 * (V - 1);  // columns in the last vector
  unroll<R>([&](auto r) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      float* out = c + r * g.c_stride + 4 * v;
      const float32x4_t y = clamp(sum[r][v], lo, hi);
      if (v < V - 1 || last == 4) {
        vst1q_f32(out, y);
      } else {
        FirstLanes{last}.store(out, y);
      }
    });
  });
}

// The last rows of a panel, R or fewer: a tile at an edge does no more than it must.
template <int R, int V, typename Gemm, typename C>
[[gnu::noinline]] void last_tile_u8i8(const Gemm& g, const Start<V>& start, const uint8_t* const* rows,
                                      const int32_t* row_bias, size_t left, C* c) {
  if constexpr (R > 1) {
    if (left < R) return last_tile_u8i8<R - 1, V>(g, start, rows, row_bias, left, c);
  }
  tile_u8i8<R, V>(g, start, rows, row_bias, c);
}
template <int R, int V>
[[gnu::noinline]] void last_tile_f32(const GemmF32& g, const float* const* rows, size_t left, float* c) {
  if constexpr (R > 1) {
    if (left < R) return last_tile_f32<R - 1, V>(g, rows, left, c);
  }
  tile_f32<R, V>(g, rows, c);
}

template <int V, typename Gemm>
void panel_u8i8(const Gemm& g) {
  const Start<V> start(g);
  const uint8_t* const* rows = g.a;
  const int32_t* row_bias = g.row_bias != nullptr ? g.row_bias : kZeros;
  const size_t step = g.row_bias != nullptr ? kRows : 0;
  auto* c = g.c;
  size_t left = g.rows;
  for (; left >= kRows; left -= kRows, rows += g.taps * kRows, row_bias += step, c += kRows * g.c_stride)
    tile_u8i8<kRows, V>(g, start, rows, row_bias, c);
  if (left > 0) last_tile_u8i8<kRows - 1, V>(g, start, rows, row_bias, left, c);
}

template <int V>
void panel_f32(const GemmF32& g) {
  const float* const* rows = g.a;
  float* c = g.c;
  size_t left = g.rows;
  for (; left >= kRows; left -= kRows, rows += g.taps * kRows, c += kRows * g.c_stride)
    tile_f32<kRows, V>(g, rows, c);
  if (left > 0) last_tile_f32<kRows - 1, V>(g, rows, left, c);
}

// By the number of vectors that hold the columns.
constexpr void (*kPanelU8I8[kVectors])(const GemmU8I8&) = {panel_u8i8<1>, panel_u8i8<2>, panel_u8i8<3>,
                                                           panel_u8i8<4>};
constexpr void (*kPanelReal[kVectors])(const GemmU8I8Real&) = {panel_u8i8<1>, panel_u8i8<2>, panel_u8i8<3>,
                                                               panel_u8i8<4>};
constexpr void (*kPanelF32[kVectors])(const GemmF32&) = {panel_f32<1>, panel_f32<2>, panel_f32<3>,
                                                         panel_f32<4>};

void gemm_u8i8(const GemmU8I8& g) {
  if (g.columns > 0) kPanelU8I8[(g.columns - 1) / 4](g);
}
void gemm_u8i8_real(const GemmU8I8Real& g) {
  if (g.columns > 0) kPanelReal[(g.columns - 1) / 4](g);
}
void gemm_f32(const GemmF32& g) {
  if (g.columns > 0) kPanelF32[(g.columns - 1) / 4](g);
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

}  // namespace q::neondot
