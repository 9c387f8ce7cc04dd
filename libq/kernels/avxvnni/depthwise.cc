// Depthwise convolution of a line of pixels, 16 channels at a time.
#include "kernels/avxvnni/row.h"
#include "kernels/avxvnni/simd.h"

namespace q::avxvnni {
namespace {

// Bytes of four rows side by side: the 128-bit parts of the first vector hold the channels 0 to 3 and 8 to 11
// of a block, those of the second 4 to 7 and 12 to 15. Requantize undoes this order.
struct Quads {
  __m256i quad[2];
};

[[gnu::always_inline]] inline Quads interleave(__m128i r0, __m128i r1, __m128i r2, __m128i r3) {
  const __m256i pairs01 = _mm256_set_m128i(_mm_unpackhi_epi8(r0, r1), _mm_unpacklo_epi8(r0, r1));
  const __m256i pairs23 = _mm256_set_m128i(_mm_unpackhi_epi8(r2, r3), _mm_unpacklo_epi8(r2, r3));
  return {{_mm256_unpacklo_epi16(pairs01, pairs23), _mm256_unpackhi_epi16(pairs01, pairs23)}};
}

// 16 numbers of 32 bits in the order of Quads.
[[gnu::always_inline]] inline Quads as_quads(const void* numbers) {
  const __m128i* p = static_cast<const __m128i*>(numbers);
  return {{_mm256_loadu2_m128i(p + 2, p), _mm256_loadu2_m128i(p + 3, p + 1)}};
}

struct Sums {
  __m256i sum[2];

  [[gnu::always_inline]] inline void add(const Quads& x, const Quads& w) {
    unroll<2>([&](auto v) __attribute__((always_inline)) {
      sum[v] = _mm256_dpbusd_avx_epi32(sum[v], x.quad[v], w.quad[v]);
    });
  }
};

// A block of 16 channels, or fewer when there are no more.
struct Block {
  const DepthwiseU8I8& d;
  size_t channel, count;
  Requantize requantize;
  Sums bias;
  __m256 multiplier[2];

  Block(const DepthwiseU8I8& call, size_t first, size_t n)
      : d(call), channel(first), count(n), requantize(call.out) {
    const Quads biases = as_quads(d.out.bias + channel), multipliers = as_quads(d.out.multiplier + channel);
    unroll<2>([&](auto v) __attribute__((always_inline)) {
      bias.sum[v] = biases.quad[v];
      multiplier[v] = _mm256_castsi256_ps(multipliers.quad[v]);
    });
  }

  inline __m128i load(const uint8_t* row) const { return load_bytes(row + channel, count); }
  inline __m128i weight(size_t tap) const {
    return load(reinterpret_cast<const uint8_t*>(d.weights) + tap * d.channels);
  }
  inline void store(const Sums& sums, size_t pixel) const {
    store_bytes(requantize(sums.sum, multiplier), count, d.c + pixel * d.channels + channel);
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
      return o < K ? row(o) : _mm_setzero_si128();
    };
    return interleave(row_or_zero(4 * group), row_or_zero(4 * group + 1), row_or_zero(4 * group + 2),
                      row_or_zero(4 * group + 3));
  };
  Quads weights[K][kGroups];
  for (int i = 0; i < K; ++i) {
    for (int g = 0; g < kGroups; ++g)
      weights[i][g] = quads_of(g, [&](int o) { return block.weight(static_cast<size_t>(o * K + i)); });
  }

  Sums sums[kPixels];  // of pixel x and the ones before it
  unroll<kPixels>([&](auto i) __attribute__((always_inline)) { sums[i] = block.bias; });
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
    sums[0] = block.bias;
  }
}

// Any window, its taps four at a time in the order of the weights.
void any_window(const Block& block) {
  const DepthwiseU8I8& d = block.d;
  const size_t taps = d.outer_taps * d.inner_taps;
  for (size_t x = 0; x < d.pixels; ++x) {
    Sums sums = block.bias;
    size_t outer = 0, inner = 0;
    const auto next_row = [&]() __attribute__((always_inline)) {
      const uint8_t* row = d.rows[(x * d.stride + inner * d.dilation) * d.outer_taps + outer];
      if (++inner == d.inner_taps) inner = 0, ++outer;
      return block.load(row);
    };
    for (size_t t = 0; t < taps; t += 4) {
      __m128i row[4] = {}, weight[4] = {};
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

// The last block begins where it ends with the channels, and computes some of them again.
void depthwise_u8i8(const DepthwiseU8I8& d) {
  const auto kernel = window_kernel(d);
  for (size_t c = 0; c + 16 < d.channels; c += 16) kernel(Block(d, c, 16));
  if (d.channels >= 16)
    kernel(Block(d, d.channels - 16, 16));
  else if (d.channels > 0)
    kernel(Block(d, 0, d.channels));
}

}  // namespace

void install_depthwise(Kernels& kernels) { kernels.depthwise_u8i8 = depthwise_u8i8; }

}  // namespace q::avxvnni
