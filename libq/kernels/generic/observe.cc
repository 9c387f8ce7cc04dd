// What observers ask of a tensor: its range and its histogram.
#include <math.h>

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

// In binary64 the product is exact, also where binary32 would underflow: the bin depends on the value alone.
static void histogram_f32(const float* x, size_t n, float scale, int64_t first, uint32_t* counts) {
  for (size_t i = 0; i < n; ++i) {
    if (!isfinite(x[i])) continue;
    ++counts[static_cast<int64_t>(floor(static_cast<double>(x[i]) * scale)) - first];
  }
}

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::generic
