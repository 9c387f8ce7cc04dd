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

// A block of 64 channels, or of what is left of them; of no more than 32 two pixels are computed at once, in
// the two halves of a vector.
struct Block {
  const DepthwiseU8I8& d;
  size_t channel;
  int pixels;                    // at once: 1 or 2
  __mmask64 lanes;               // of one pixel
  alignas(64) int32_t bias[64];  // in the order of Quads, as the multipliers
  alignas(64) float multiplier[64];
  Requantize requantize;

  Block(const DepthwiseU8I8& call, size_t first, int at_once)
      : d(call),
        channel(first),
        pixels(at_once),
        lanes(block_mask(call.channels - first)),
        requantize(call.out) {
    reorder(d.out.bias + channel, bias);
    reorder(d.out.multiplier + channel, multiplier);
    requantize.bias = bias;
    requantize.multiplier = multiplier;
  }

  void reorder(const void* from, void* to) const {
    __m512i v[4];
    unroll<4>([&](auto i) __attribute__((always_inline)) {
      const int part = pixels == 2 ? i % 2 : i;
      v[i] = _mm512_loadu_si512(static_cast<const char*>(from) + 64 * part);
    });
    transpose(v);
    unroll<4>([&](auto i) __attribute__((always_inline)) {
      _mm512_store_si512(static_cast<char*>(to) + 64 * i, v[i]);
    });
  }

  inline __m512i load(const uint8_t* row) const { return _mm512_maskz_loadu_epi8(lanes, row + channel); }
  inline __m256i load_half(const void* row) const {
    return _mm256_maskz_loadu_epi8(static_cast<__mmask32>(lanes), static_cast<const uint8_t*>(row) + channel);
  }
  inline __m512i load_pair(const uint8_t* row, const uint8_t* next) const {
    return _mm512_inserti64x4(_mm512_castsi256_si512(load_half(row)), load_half(next), 1);
  }
  inline __m512i weight(size_t tap) const {
    const int8_t* row = d.weights + tap * d.channels;
    if (pixels == 2) return _mm512_broadcast_i64x4(load_half(row));
    return _mm512_maskz_loadu_epi8(lanes, row + channel);
  }
  inline void store(const Sums& sums, size_t pixel) const {
    const __m512i bytes = requantize.packed(sums.sum, 0);
    uint8_t* c = d.c + pixel * d.channels + channel;
    if (pixels == 1) return store_block(bytes, lanes, c);
    _mm256_mask_storeu_epi8(c, static_cast<__mmask32>(lanes), _mm512_castsi512_si256(bytes));
    _mm256_mask_storeu_epi8(c + d.channels, static_cast<__mmask32>(lanes),
                            _mm512_extracti64x4_epi64(bytes, 1));
  }
};

// `count` pixels from `pixel` on, a multiple of P, P at once, of a window of K x K with a stride of S: the
// rows under a position are interleaved once and serve all pixels that see them.
template <int K, int S, int P>
void square_window(const Block& block, size_t pixel, size_t count) {
  constexpr int kStep = S * P;                       // positions from one vector of pixels to the next
  constexpr int kGroups = (K + 3) / 4;               // of four outer taps
  constexpr int kVectors = (K + kStep - 1) / kStep;  // that see a position
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

  Sums sums[kVectors] = {};  // of vector x and the ones before it
  const uint8_t* const* rows = block.d.rows + pixel * S * K;
  const size_t vectors = count / P, positions = (vectors - 1) * kStep + K;
  for (size_t x = 0; x < vectors + kVectors - 1; ++x) {
    unroll<(kStep < K ? kStep : K)>([&](auto phase) __attribute__((always_inline)) {
      if (x * kStep + phase >= positions) return;
      const uint8_t* const* here = rows + (x * kStep + phase) * K;
      unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
        const Quads quads = quads_of(
            g, [&](int o) __attribute__((always_inline)) {
              return P == 1 ? block.load(here[o]) : block.load_pair(here[o], here[S * K + o]);
            });
        unroll<(K - phase + kStep - 1) / kStep>([&](auto before) __attribute__((always_inline)) {
          sums[before].add(quads, weights[phase + kStep * before][g]);
        });
      });
    });
    if (x + 1 >= kVectors) block.store(sums[kVectors - 1], pixel + (x + 1 - kVectors) * P);
    unroll<kVectors - 1>([&](auto i) __attribute__((always_inline)) {
      sums[kVectors - 1 - i] = sums[kVectors - 2 - i];
    });
    sums[0] = {};
  }
}

template <int K, int S>
void square_windows(const DepthwiseU8I8& d) {
  for (size_t c = 0; c < d.channels; c += 64) {
    const size_t in_pairs = d.channels - c <= 32 ? d.pixels / 2 * 2 : 0;
    if (in_pairs > 0) square_window<K, S, 2>(Block(d, c, 2), 0, in_pairs);
    if (in_pairs < d.pixels) square_window<K, S, 1>(Block(d, c, 1), in_pairs, d.pixels - in_pairs);
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

void any_windows(const DepthwiseU8I8& d) {
  for (size_t c = 0; c < d.channels; c += 64) any_window(Block(d, c, 1));
}

void depthwise_u8i8(const DepthwiseU8I8& d) {
  if (d.outer_taps != d.inner_taps || d.dilation != 1 || d.stride > 2) return any_windows(d);
  const bool every = d.stride == 1;
  switch (d.inner_taps) {
    case 3:
      return every ? square_windows<3, 1>(d) : square_windows<3, 2>(d);
    case 5:
      return every ? square_windows<5, 1>(d) : square_windows<5, 2>(d);
    case 7:
      return every ? square_windows<7, 1>(d) : square_windows<7, 2>(d);
    default:
      return any_windows(d);
  }
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
