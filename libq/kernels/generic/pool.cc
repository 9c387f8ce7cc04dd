// One pixel of a pooling: each channel over the rows of a window.
#include "kernels/generic/round.h"
#include "kernels/generic/row.h"

namespace q::generic {

static void max_u8(const uint8_t* const* rows, size_t taps, size_t channels, uint8_t* out) {
  for (size_t c = 0; c < channels; ++c) {
    uint8_t greatest = 0;
    for (size_t t = 0; t < taps; ++t) greatest = rows[t][c] > greatest ? rows[t][c] : greatest;
    out[c] = greatest;
  }
}

// The first of two equal zeros stays, and a NaN stays because nothing is greater.
static void max_f32(const float* const* rows, size_t taps, size_t channels, float* out) {
  for (size_t c = 0; c < channels; ++c) {
    float greatest = -INFINITY;
    for (size_t t = 0; t < taps; ++t) {
      const float x = rows[t][c];
      if (x > greatest || isnan(x)) greatest = x;
    }
    out[c] = greatest;
  }
}

static void average_u8(const uint8_t* const* rows, size_t taps, size_t channels, int32_t z, float multiplier,
                       uint8_t* out) {
  for (size_t c = 0; c < channels; ++c) {
    int32_t sum = -z * static_cast<int32_t>(taps);
    for (size_t t = 0; t < taps; ++t) sum += rows[t][c];
    out[c] = round_to_u8(static_cast<float>(sum) * multiplier, z, 0, 255);
  }
}

static void average_f32(const float* const* rows, size_t taps, size_t channels, float divisor, float* out) {
  for (size_t c = 0; c < channels; ++c) {
    float sum = 0;
    for (size_t t = 0; t < taps; ++t) sum += rows[t][c];
    out[c] = sum / divisor;
  }
}

void install_pool(Kernels& kernels) {
  kernels.max_u8 = max_u8;
  kernels.max_f32 = max_f32;
  kernels.average_u8 = average_u8;
  kernels.average_f32 = average_f32;
}

}  // namespace q::generic
