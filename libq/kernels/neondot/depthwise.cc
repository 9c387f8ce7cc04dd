// Depthwise convolution of a line of pixels, 16 channels at a time.
#include "kernels/neondot/row.h"
#include "kernels/neondot/simd.h"

namespace q::neondot {
namespace {

// ---- u8 x i8 ----

// Bytes of four rows side by side: quad[v] holds the 4 rows of channels 4 * v … 4 * v + 3.
struct Quads {
  int8x16_t quad[4];

  // Of row(0) … row(3).
  template <typename Row>
  [[gnu::always_inline]] explicit inline Quads(const Row& row) {
    const int8x16_t row0 = row(0), row1 = row(1), row2 = row(2), row3 = row(3);
    const int16x8_t low01 = pairs(vzip1q_s8(row0, row1)), high01 = pairs(vzip2q_s8(row0, row1));
    const int16x8_t low23 = pairs(vzip1q_s8(row2, row3)), high23 = pairs(vzip2q_s8(row2, row3));
    quad[0] = vreinterpretq_s8_s16(vzip1q_s16(low01, low23));
    quad[1] = vreinterpretq_s8_s16(vzip2q_s16(low01, low23));
    quad[2] = vreinterpretq_s8_s16(vzip1q_s16(high01, high23));
    quad[3] = vreinterpretq_s8_s16(vzip2q_s16(high01, high23));
  }
  Quads() = default;

  static inline int16x8_t pairs(int8x16_t bytes) { return vreinterpretq_s16_s8(bytes); }
};

struct Sums {
  int32x4_t sum[4];

  [[gnu::always_inline]] inline void add(const Quads& x, const Quads& weights) {
    unroll<4>([&](auto v)
                  __attribute__((always_inline)) { sum[v] = vdotq_s32(sum[v], x.quad[v], weights.quad[v]); });
  }
  inline void add(const Quads& weights) {
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sum[v] = vdotq_s32(sum[v], weights.quad[v], vdupq_n_s8(1));
    });
  }
};

// A block of 16 channels, or of what there are.
template <typename Lanes>
struct Block {
  const DepthwiseU8I8& d;
  size_t channel;
  Lanes lanes;
  Bytes bytes;

  inline Block(const DepthwiseU8I8& call, size_t first, Lanes which)
      : d(call), channel(first), lanes(which), bytes(call.out.zero_point, call.out.lo, call.out.hi) {}

  inline int8x16_t row(const uint8_t* pixel) const { return less_128(lanes.load(pixel + channel)); }
  inline int8x16_t weight(size_t tap) const { return lanes.load(d.weights + tap * d.channels + channel); }

  // What sums start from, given the sums of the weights: bias, and 128 times these because rows come less
  // 128.
  inline Sums start(const Sums& weights) const {
    Sums sums;
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      sums.sum[v] = vaddq_s32(vld1q_s32(d.out.bias + channel + 4 * v), vshlq_n_s32(weights.sum[v], 7));
    });
    return sums;
  }
  inline void store(const Sums& sums, size_t pixel) const {
    int32x4_t level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const float32x4_t multiplier = vld1q_f32(d.out.multiplier + channel + 4 * v);
      level[v] = rounded(vmulq_f32(vcvtq_f32_s32(sums.sum[v]), multiplier));
    });
    lanes.store(d.c + pixel * d.channels + channel, bytes(level));
  }
};

// A window of K x K: the rows under a position are interleaved once and serve all pixels that see them.
template <int K, int S, typename Lanes>
void square_window(const Block<Lanes>& block) {
  constexpr int kGroups = (K + 3) / 4;      // of four outer taps
  constexpr int kPixels = (K + S - 1) / S;  // that see a position
  const DepthwiseU8I8& d = block.d;
  // Taps 4 * group … 4 * group + 3 of a column of the window, zero behind the last one.
  const auto column = [](int group, const auto& tap) __attribute__((always_inline)) {
    return Quads([&](int o) __attribute__((always_inline)) {
      return 4 * group + o < K ? tap(4 * group + o) : vdupq_n_s8(0);
    });
  };
  Quads weights[K][kGroups];
  Sums start = {};
  for (int i = 0; i < K; ++i) {
    for (int g = 0; g < kGroups; ++g) {
      weights[i][g] = column(g, [&](int o) { return block.weight(static_cast<size_t>(o * K + i)); });
      start.add(weights[i][g]);
    }
  }
  start = block.start(start);

  Sums sums[kPixels];  // of pixel x and the ones before it
  unroll<kPixels>([&](auto i) __attribute__((always_inline)) { sums[i] = start; });
  const uint8_t* const* rows = d.rows;
  const size_t positions = (d.pixels - 1) * S + K;
  for (size_t x = 0; x < d.pixels + kPixels - 1; ++x) {
    unroll<S>([&](auto phase) __attribute__((always_inline)) {
      if (x * S + phase >= positions) return;
      unroll<kGroups>([&](auto g) __attribute__((always_inline)) {
        const Quads quads = column(
            g, [&](int o) __attribute__((always_inline)) { return block.row(rows[o]); });
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
    sums[0] = start;
  }
}

// Any window, its taps four at a time in the order of the weights.
template <typename Lanes>
void any_window(const Block<Lanes>& block) {
  const DepthwiseU8I8& d = block.d;
  const size_t taps = d.outer_taps * d.inner_taps;
  const auto weights = [&](size_t t) {
    return Quads([&](size_t i) __attribute__((always_inline)) {
      return t + i < taps ? block.weight(t + i) : vdupq_n_s8(0);
    });
  };
  Sums start = {};
  for (size_t t = 0; t < taps; t += 4) start.add(weights(t));
  start = block.start(start);

  for (size_t x = 0; x < d.pixels; ++x) {
    Sums sums = start;
    size_t outer = 0, inner = 0;
    const auto next_row = [&]() __attribute__((always_inline)) {
      const uint8_t* row = d.rows[(x * d.stride + inner * d.dilation) * d.outer_taps + outer];
      if (++inner == d.inner_taps) inner = 0, ++outer;
      return block.row(row);
    };
    for (size_t t = 0; t < taps; t += 4) {
      const Quads rows([&](size_t i) __attribute__((always_inline)) {
        return t + i < taps ? next_row() : vdupq_n_s8(0);
      });
      sums.add(rows, weights(t));
    }
    block.store(sums, x);
  }
}

void depthwise_block(const Block<FirstLanes>& block) { any_window(block); }
void depthwise_block(const Block<AllLanes>& block) {
  const DepthwiseU8I8& d = block.d;
  if (d.outer_taps != d.inner_taps || d.dilation != 1 || d.stride > 2) return any_window(block);
  const bool every = d.stride == 1;
  switch (d.inner_taps) {
    case 3:
      return every ? square_window<3, 1>(block) : square_window<3, 2>(block);
    case 5:
      return every ? square_window<5, 1>(block) : square_window<5, 2>(block);
    case 7:
      return every ? square_window<7, 1>(block) : square_window<7, 2>(block);
    default:
      return any_window(block);
  }
}

void depthwise_u8i8(const DepthwiseU8I8& d) {
  for_channels<16>(d.channels, [&](size_t c, auto lanes) { depthwise_block(Block(d, c, lanes)); });
}

// ---- f32 ----

constexpr size_t kPixels = 4;  // computed together: a weight is read once for all of them

// P pixels from `x` on, V vectors of channels.
template <int P, int V, typename Lanes>
[[gnu::always_inline]] inline void pixels_f32(const DepthwiseF32& d, size_t x, size_t c, Lanes lanes) {
  float32x4_t sum[P][V];
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const float32x4_t bias = vld1q_f32(d.out.bias + c + 4 * v);
    unroll<P>([&](auto p) __attribute__((always_inline)) { sum[p][v] = bias; });
  });
  const float* weights = d.weights + c;
  for (size_t o = 0; o < d.outer_taps; ++o) {
    const float* const* rows = d.rows + x * d.stride * d.outer_taps + o;
    for (size_t i = 0; i < d.inner_taps; ++i, rows += d.dilation * d.outer_taps, weights += d.channels) {
      float32x4_t weight[V];
      unroll<V>([&](auto v) __attribute__((always_inline)) { weight[v] = lanes.load(weights + 4 * v); });
      unroll<P>([&](auto p) __attribute__((always_inline)) {
        const float* row = rows[p * d.stride * d.outer_taps] + c;
        unroll<V>([&](auto v) __attribute__((always_inline)) {
          sum[p][v] = vfmaq_f32(sum[p][v], lanes.load(row + 4 * v), weight[v]);
        });
      });
    }
  }
  const float32x4_t lo = vdupq_n_f32(d.out.lo), hi = vdupq_n_f32(d.out.hi);
  unroll<P>([&](auto p) __attribute__((always_inline)) {
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      lanes.store(d.c + (x + p) * d.channels + c + 4 * v, clamp(sum[p][v], lo, hi));
    });
  });
}

template <int V, typename Lanes>
void block_f32(const DepthwiseF32& d, size_t c, Lanes lanes) {
  size_t x = 0;
  for (; x + kPixels <= d.pixels; x += kPixels) pixels_f32<kPixels, V>(d, x, c, lanes);
  for (; x < d.pixels; ++x) pixels_f32<1, V>(d, x, c, lanes);
}

void depthwise_f32(const DepthwiseF32& d) {
  if (d.channels >= 16) {
    for_channels<16>(d.channels, [&](size_t c, auto) { block_f32<4>(d, c, AllLanes{}); });
  } else {
    for_channels<4>(d.channels, [&](size_t c, auto lanes) { block_f32<1>(d, c, lanes); });
  }
}

}  // namespace

void install_depthwise(Kernels& kernels) {
  kernels.depthwise_u8i8 = depthwise_u8i8;
  kernels.depthwise_f32 = depthwise_f32;
}

}  // namespace q::neondot
