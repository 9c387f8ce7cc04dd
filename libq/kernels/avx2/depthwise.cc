// Depthwise convolution of a line of pixels, 16 channels at a time.
#include "kernels/avx2/row.h"
#include "kernels/avx2/simd.h"

namespace q::avx2 {
namespace {

// ---- u8 x i8 ----

// The words of two rows side by side, of 8 channels each.
struct Pairs {
  __m256i pair[2];
};

[[gnu::always_inline]] inline Pairs pairs_of_u8(__m128i r0, __m128i r1) {
  return {{_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(r0, r1)), _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(r0, r1))}};
}
[[gnu::always_inline]] inline Pairs pairs_of_i8(__m128i r0, __m128i r1) {
  return {{_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(r0, r1)), _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(r0, r1))}};
}

struct Sums {
  __m256i sum[2];

  [[gnu::always_inline]] inline void add(const Pairs& x, const Pairs& w) {
    unroll<2>([&](auto v) __attribute__((always_inline)) {
      sum[v] = _mm256_add_epi32(sum[v], _mm256_madd_epi16(x.pair[v], w.pair[v]));
      settle(sum[v]);
    });
  }
};

// A block of 16 channels, or fewer when there are no more.
struct Block {
  const DepthwiseU8I8& d;
  size_t channel, count;
  Requantize requantize;

  inline __m128i load(const uint8_t* row) const { return load_bytes(row + channel, count); }
  inline __m128i weight(size_t tap) const {
    return load(reinterpret_cast<const uint8_t*>(d.weights) + tap * d.channels);
  }
  inline Sums bias() const { return {{load_i32(d.out.bias + channel), load_i32(d.out.bias + channel + 8)}}; }
  inline void store(const Sums& sums, size_t pixel) const {
    store_bytes(requantize(sums.sum[0], sums.sum[1], d.out.multiplier + channel), count,
                d.c + pixel * d.channels + channel);
  }
};

// A window of K x K: the rows under a position are interleaved once and serve all pixels that see them.
template <int K, int S>
void square_window(const Block& block) {
  constexpr int kGroups = (K + 1) / 2;      // of two outer taps
  constexpr int kPixels = (K + S - 1) / S;  // that see a position
  const DepthwiseU8I8& d = block.d;
  Pairs weights[K][kGroups];
  for (int i = 0; i < K; ++i) {
    for (int g = 0; g < kGroups; ++g) {
      const size_t tap = static_cast<size_t>(2 * g * K + i);
      weights[i][g] =
          pairs_of_i8(block.weight(tap), 2 * g + 1 < K ? block.weight(tap + K) : _mm_setzero_si128());
    }
  }

  const Sums bias = block.bias();
  Sums sums[kPixels];  // of pixel x and the ones before it
  unroll<kPixels>([&](auto i) __attribute__((always_inline)) { sums[i] = bias; });
  const uint8_t* const* rows = d.rows;
  const size_t positions = (d.pixels - 1) * S + K;
  for (size_t x = 0; x < d.pixels + kPixels - 1; ++x) {
    unroll<S>([&](auto phase) __attribute__((always_inline)) {
      if (x * S + phase >= positions) return;
      unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
        const Pairs pairs =
            pairs_of_u8(block.load(rows[2 * g]),
                        2 * g + 1 < K ? block.load(rows[2 * g + (2 * g + 1 < K)]) : _mm_setzero_si128());
        unroll<(K - phase + S - 1) / S>([&](auto before) __attribute__((always_inline)) {
          sums[before].add(pairs, weights[phase + S * before][g]);
        });
      });
      rows += K;
    });
    if (x + 1 >= kPixels) block.store(sums[kPixels - 1], x + 1 - kPixels);
    unroll<kPixels - 1>([&](auto i) __attribute__((always_inline)) {
      sums[kPixels - 1 - i] = sums[kPixels - 2 - i];
    });
    sums[0] = bias;
  }
}

// Any window, its taps two at a time in the order of the weights.
void any_window(const Block& block) {
  const DepthwiseU8I8& d = block.d;
  const size_t taps = d.outer_taps * d.inner_taps;
  for (size_t x = 0; x < d.pixels; ++x) {
    Sums sums = block.bias();
    size_t outer = 0, inner = 0;
    const auto next_row = [&]() __attribute__((always_inline)) {
      const uint8_t* row = d.rows[(x * d.stride + inner * d.dilation) * d.outer_taps + outer];
      if (++inner == d.inner_taps) inner = 0, ++outer;
      return block.load(row);
    };
    size_t t = 0;
    for (; t + 2 <= taps; t += 2) {
      const __m128i row0 = next_row(), row1 = next_row();
      sums.add(pairs_of_u8(row0, row1), pairs_of_i8(block.weight(t), block.weight(t + 1)));
    }
    if (t < taps) {
      const __m128i none = _mm_setzero_si128();
      sums.add(pairs_of_u8(next_row(), none), pairs_of_i8(block.weight(t), none));
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
  const Requantize requantize(d.out);
  for_channels<16>(d.channels, [&](size_t c, size_t count) { kernel(Block{d, c, count, requantize}); });
}

// ---- f32 ----

constexpr size_t kPixels = 4;  // computed together: a weight is read once for all of them

// P pixels from `x` on, V vectors of channels; `lanes` are the channels of the only vector when it is not
// whole.
template <int P, int V, bool Whole>
[[gnu::always_inline]] inline void pixels_f32(const DepthwiseF32& d, size_t x, size_t c, __m256i lanes) {
  const auto load = [&](const float* p) __attribute__((always_inline)) {
    return Whole ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes);
  };
  __m256 sum[P][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const __m256 bias = _mm256_loadu_ps(d.out.bias + c + 8 * v);
    unroll<P>([&](auto p) __attribute__((always_inline)) { sum[p][v] = bias; });
  });
  const float* weights = d.weights + c;
  for (size_t o = 0; o < d.outer_taps; ++o) {
    const float* const* rows = d.rows + x * d.stride * d.outer_taps + o;
    for (size_t i = 0; i < d.inner_taps; ++i, rows += d.dilation * d.outer_taps, weights += d.channels) {
      __m256 weight[V];
      unroll<V>([&](auto v) __attribute__((always_inline)) { weight[v] = load(weights + 8 * v); });
      unroll<P>([&](auto p) __attribute__((always_inline)) {
        const float* row = rows[p * d.stride * d.outer_taps] + c;
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          sum[p][v] = _mm256_fmadd_ps(load(row + 8 * v), weight[v], sum[p][v]);
        });
      });
    }
  }
  const __m256 lo = _mm256_set1_ps(d.out.lo), hi = _mm256_set1_ps(d.out.hi);
  unroll<P>([&](auto p) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      float* out = d.c + (x + p) * d.channels + c + 8 * v;
      const __m256 y = clamp(sum[p][v], lo, hi);
      if constexpr (Whole)
        _mm256_storeu_ps(out, y);
      else
        _mm256_maskstore_ps(out, lanes, y);
    });
  });
}

template <int V, bool Whole>
void line_f32(const DepthwiseF32& d, size_t c, __m256i lanes) {
  size_t x = 0;
  for (; x + kPixels <= d.pixels; x += kPixels) pixels_f32<kPixels, V, Whole>(d, x, c, lanes);
  for (; x < d.pixels; ++x) pixels_f32<1, V, Whole>(d, x, c, lanes);
}

void depthwise_f32(const DepthwiseF32& d) {
  size_t c = 0;
  for (; c + 16 <= d.channels; c += 16) line_f32<2, true>(d, c, _mm256_setzero_si256());
  for (; c < d.channels; c += 8) line_f32<1, false>(d, c, first_lanes(d.channels - c));
}

}  // namespace

void install_depthwise(Kernels& kernels) {
  kernels.depthwise_u8i8 = depthwise_u8i8;
  kernels.depthwise_f32 = depthwise_f32;
}

}  // namespace q::avx2
