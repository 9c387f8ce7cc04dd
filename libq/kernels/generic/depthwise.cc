// A line of pixels of a convolution in which every channel is a group of its own.
#include "kernels/generic/round.h"
#include "kernels/generic/row.h"

namespace q::generic {

static void depthwise_u8i8(const DepthwiseU8I8& d) {
  for (size_t x = 0; x < d.pixels; ++x) {
    for (size_t c = 0; c < d.channels; ++c) {
      uint32_t sum = 0;
      for (size_t o = 0; o < d.outer_taps; ++o) {
        for (size_t i = 0; i < d.inner_taps; ++i) {
          const uint8_t* row = d.rows[(x * d.stride + i * d.dilation) * d.outer_taps + o];
          sum += static_cast<uint32_t>(row[c] * d.weights[(o * d.inner_taps + i) * d.channels + c]);
        }
      }
      d.c[x * d.channels + c] = requantize(sum, c, d.out);
    }
  }
}

static void depthwise_f32(const DepthwiseF32& d) {
  for (size_t x = 0; x < d.pixels; ++x) {
    for (size_t c = 0; c < d.channels; ++c) {
      float sum = d.out.bias[c];
      for (size_t o = 0; o < d.outer_taps; ++o) {
        for (size_t i = 0; i < d.inner_taps; ++i) {
          const float* row = d.rows[(x * d.stride + i * d.dilation) * d.outer_taps + o];
          sum = fmaf(row[c], d.weights[(o * d.inner_taps + i) * d.channels + c], sum);
        }
      }
      d.c[x * d.channels + c] = clamp(sum, d.out.lo, d.out.hi);
    }
  }
}

void install_depthwise(Kernels& kernels) {
  kernels.depthwise_u8i8 = depthwise_u8i8;
  kernels.depthwise_f32 = depthwise_f32;
}

}  // namespace q::generic
