// Depthwise convolution of a line of pixels, 64 channels at a time.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

// ---- u8 x i8 ----

// Bytes of four rows side by side: each 128-bit part of quad[v] holds the 4 channels from 4 * v on of the 16
// channels in this part.
struct Quads {
  __m512i quad[4];
};

[[gnu::always_inline]] inline Quads interleave(__m512i r0, __m512i r1, __m512i r2, __m512i r3) {
  const __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
  const __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
  return {{_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
           _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)}};
}

// In the order of Quads, which is the one that packing to bytes undoes.
struct Sums {
  __m512i sum[4];

  [[gnu::always_inline]] inline void add(const Quads& x, const Quads& w) {
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sum[v] = _mm512_dpbusd_epi32(sum[v], x.quad[v], w.quad[v]);
    });
  }
};

// From the order of channels to that of Quads and back: the transpose of a 4 x 4 matrix of 128-bit parts.
[[gnu::always_inline]] inline void transpose(__m512i (&v)[4]) {
  const __m512i low01 = _mm512_shuffle_i32x4(v[0], v[1], 0x44),
                high01 = _mm512_shuffle_i32x4(v[0], v[1], 0xee);
  const __m512i low23 = _mm512_shuffle_i32x4(v[2], v[3], 0x44),
                high23 = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
  v[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
  v[1] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
  v[2] = _mm512_shuffle_i32x4(high01, high23, 0x88);
  v[3] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
}

// A block of 64 channels, or of what is left of them.
struct Block {
  const DepthwiseU8I8& d;
  size_t channel;
  __mmask64 lanes;
  alignas(64) int32_t bias[64];  // in the order of Quads, as the multipliers
  alignas(64) float multiplier[64];
  Requantize requantize;

  Block(const DepthwiseU8I8& call, size_t first)
      : d(call), channel(first), lanes(block_mask(call.channels - first)), requantize(call.out) {
    reorder(d.out.bias + channel, bias);
    reorder(d.out.multiplier + channel, multiplier);
    requantize.bias = bias;
    requantize.multiplier = multiplier;
  }

  static void reorder(const void* from, void* to) {
    __m512i v[4];
    unroll<4>([&](auto i) __attribute__((always_inline)) {
      v[i] = _mm512_loadu_si512(static_cast<const char*>(from) + 64 * i);
    });
    transpose(v);
    unroll<4>([&](auto i) __attribute__((always_inline)) {
      _mm512_store_si512(static_cast<char*>(to) + 64 * i, v[i]);
    });
  }

  inline __m512i load(const void* row) const {
    return _mm512_maskz_loadu_epi8(lanes, static_cast<const uint8_t*>(row) + channel);
  }
  inline __m512i weight(size_t tap) const { return load(d.weights + tap * d.channels); }
  inline void store(const Sums& sums, size_t pixel) const {
    store_block(requantize.packed(sums.sum, 0), lanes, d.c + pixel * d.channels + channel);
  }
};

// A window of K x K: the rows under a position are interleaved once and serve all pixels that see them.
template <int K, int S>
void square_window(const Block& block) {
  constexpr int kGroups = (K + 3) / 4;      // of four outer taps
  constexpr int kPixels = (K + S - 1) / S;  // that see a position
  const DepthwiseU8I8& d = block.d;
  const auto quads_of = [](int group, const auto& row) __attribute__((always_inline)) {
    const auto row_or_zero = [&](int o) __attribute__((always_inline)) {
      return o < K ? row(o) : _mm512_setzero_si512();
    };
    return interleave(row_or_zero(4 * group), row_or_zero(4 * group + 1), row_or_zero(4 * group + 2),
                      row_or_zero(4 * group + 3));
  };
  Quads weights[K][kGroups];
  for (int i = 0; i < K; ++i) {
    for (int g = 0; g < kGroups; ++g)
      weights[i][g] = quads_of(g, [&](int o) { return block.weight(static_cast<size_t>(o * K + i)); });
  }

  Sums sums[kPixels] = {};  // of pixel x and the ones before it
  const uint8_t* const* rows = d.rows;
  const size_t positions = (d.pixels - 1) * S + K;
  for (size_t x = 0; x < d.pixels + kPixels - 1; ++x) {
    unroll<S>([&](auto phase) __attribute__((always_inline)) {
      if (x * S + phase >= positions) return;
      unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
        const Quads quads = quads_of(
            g, [&](int o) __attribute__((always_inline)) { return block.load(rows[o]); });
        unroll<(K - phase + S - 1) / S>([&](auto before) __attribute__((always_inline)) {
          sums[before].add(quads, weights[phase + S * before][g]);
        });
      });
      rows += K;
    });
    if (x + 1 >= kPixels) block.store(sums[kPixels - 1], x + 1 - kPixels);
    unroll<kPixels - 1>([&](auto i) __attribute__((always_inline)) {
      sums[kPixels - 1 - i] = sums[kPixels - 2 - i];
    });
    sums[0] = {};
  }
}

// Any window, its taps four at a time in the order of the weights.
void any_window(const Block& block) {
  const DepthwiseU8I8& d = block.d;
  const size_t taps = d.outer_taps * d.inner_taps;
  for (size_t x = 0; x < d.pixels; ++x) {
    Sums sums = {};
    size_t outer = 0, inner = 0;
    const auto next_row = [&]() __attribute__((always_inline)) {
      const uint8_t* row = d.rows[(x * d.stride + inner * d.dilation) * d.outer_taps + outer];
      if (++inner == d.inner_taps) inner = 0, ++outer;
      return block.load(row);
    };
    for (size_t t = 0; t < taps; t += 4) {
      __m512i row[4] = {}, weight[4] = {};
      unroll<4>([&](auto i) __attribute__((always_inline)) {
        if (t + i < taps) row[i] = next_row(), weight[i] = block.weight(t + i);
      });
      sums.add(interleave(row[0], row[1], row[2], row[3]),
               interleave(weight[0], weight[1], weight[2], weight[3]));
    }
    block.store(sums, x);
  }
}

void (*window_kernel(const DepthwiseU8I8& d))(const Block&) {
  if (d.outer_taps != d.inner_taps || d.dilation != 1 || d.stride > 2) return any_window;
  const bool every = d.stride == 1;
  switch (d.inner_taps) {
    case 3:
      return every ? square_window<3, 1> : square_window<3, 2>;
    case 5:
      return every ? square_window<5, 1> : square_window<5, 2>;
    case 7:
      return every ? square_window<7, 1> : square_window<7, 2>;
    default:
      return any_window;
  }
}

void depthwise_u8i8(const DepthwiseU8I8& d) {
  const auto kernel = window_kernel(d);
  for (size_t c = 0; c < d.channels; c += 64) kernel(Block(d, c));
}

// ---- f32 ----

constexpr size_t kPixels = 4;  // computed together: a weight is read once for all of them

// P pixels from `x` on, V vectors of channels.
template <int P, int V>
[[gnu::always_inline]] inline void pixels_f32(const DepthwiseF32& d, size_t x, size_t c, __mmask64 lanes) {
  __m512 sum[P][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const __m512 bias = _mm512_loadu_ps(d.out.bias + c + 16 * v);
    unroll<P>([&](auto p) __attribute__((always_inline)) { sum[p][v] = bias; });
  });
  const float* weights = d.weights + c;
  for (size_t o = 0; o < d.outer_taps; ++o) {
    const float* const* rows = d.rows + x * d.stride * d.outer_taps + o;
    for (size_t i = 0; i < d.inner_taps; ++i, rows += d.dilation * d.outer_taps, weights += d.channels) {
      __m512 weight[V];
      unroll<V>([&](auto v) __attribute__((always_inline)) {
        weight[v] = _mm512_maskz_loadu_ps(vector_mask(lanes, v), weights + 16 * v);
      });
      unroll<P>([&](auto p) __attribute__((always_inline)) {
        const float* row = rows[p * d.stride * d.outer_taps] + c;
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          sum[p][v] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(vector_mask(lanes, v), row + 16 * v), weight[v],
                                      sum[p][v]);
        });
      });
    }
  }
  const __m512 lo = _mm512_set1_ps(d.out.lo), hi = _mm512_set1_ps(d.out.hi);
  unroll<P>([&](auto p) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      _mm512_mask_storeu_ps(d.c + (x + p) * d.channels + c + 16 * v, vector_mask(lanes, v),
                            clamp(sum[p][v], lo, hi));
    });
  });
}

template <int V>
void block_f32(const DepthwiseF32& d, size_t c, __mmask64 lanes) {
  size_t x = 0;
  for (; x + kPixels <= d.pixels; x += kPixels) pixels_f32<kPixels, V>(d, x, c, lanes);
  for (; x < d.pixels; ++x) pixels_f32<1, V>(d, x, c, lanes);
}

// By the number of vectors that hold the channels.
constexpr void (*kBlockF32[])(const DepthwiseF32&, size_t, __mmask64) = {block_f32<1>, block_f32<2>,
                                                                         block_f32<3>, block_f32<4>};

void depthwise_f32(const DepthwiseF32& d) {
  size_t c = 0;
  for (; c + 64 <= d.channels; c += 64) block_f32<4>(d, c, ~uint64_t{0});
  if (c < d.channels) kBlockF32[(d.channels - c - 1) / 16](d, c, block_mask(d.channels - c));
}

}  // namespace

void install_depthwise(Kernels& kernels) {
  kernels.depthwise_u8i8 = depthwise_u8i8;
  kernels.depthwise_f32 = depthwise_f32;
}

}  // namespace q::avx512vnni
