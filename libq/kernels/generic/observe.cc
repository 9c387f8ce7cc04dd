// What observers ask of a tensor: its range and its histogram.
#include <math.h>
#include <string.h>

#include "kernels/generic/row.h"

namespace q::generic {

static void minmax_f32(const float* x, size_t n, MinMaxF32* range) {
  for (size_t i = 0; i < n; ++i) {
    const float value = x[i] + 0.f;  // -0 becomes +0
    if (!isfinite(value)) {
      ++range->non_finite;
      continue;
    }
    if (value < range->lo) range->lo = value;
    if (value > range->hi) range->hi = value;
  }
}

static void histogram_f32(const float* x, size_t n, const BinsF32& bins, int32_t first, uint32_t* counts) {
  for (size_t i = 0; i < n; ++i) {
    if (!isfinite(x[i])) continue;
    float magnitude = fabsf(x[i]);
    uint32_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    if (x[i] < 0) --bits;
    memcpy(&magnitude, &bits, sizeof bits);
    int32_t bin = static_cast<int32_t>(bits >> 19) - bins.finest;
    if (bin < 0) bin = 0;
    if (bits >= bins.even) bin = static_cast<int32_t>(magnitude * bins.scale) + bins.offset;
    ++counts[(x[i] < 0 ? -1 - bin : bin) - first];
  }
}

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::generic
