// One pixel of a convolution in which every channel is a group of its own.
#include "kernels/generic/round.h"
#include "kernels/generic/row.h"

namespace q::generic {

static void depthwise_u8i8(const DepthwiseU8I8& d) {
  for (size_t c = 0; c < d.channels; ++c) {
    uint32_t sum = 0;
    for (size_t t = 0; t < d.taps; ++t) {
      sum += static_cast<uint32_t>(d.rows[t][c] * d.weights[t * d.channels + c]);
    }
    d.c[c] = requantize(sum, c, d.out);
  }
}

static void depthwise_f32(const DepthwiseF32& d) {
  for (size_t c = 0; c < d.channels; ++c) {
    float sum = d.out.bias[c];
    for (size_t t = 0; t < d.taps; ++t) sum = fmaf(d.rows[t][c], d.weights[t * d.channels + c], sum);
    d.c[c] = clamp(sum, d.out.lo, d.out.hi);
  }
}

void install_depthwise(Kernels& kernels) {
  kernels.depthwise_u8i8 = depthwise_u8i8;
  kernels.depthwise_f32 = depthwise_f32;
}

}  // namespace q::generic
