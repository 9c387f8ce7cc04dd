// Powers of floats.
#pragma once

#include "base/math.h"

namespace q {

// x^y, squares, cubes and inverses by operations that round once, the others by pow in binary64.
inline float power(float x, float y) {
  const double wide = x;
  if (y == 2) return x * x;
  if (y == 3) return static_cast<float>(wide * wide * wide);
  if (y == -1) return 1.f / x;
  return static_cast<float>(pow(wide, static_cast<double>(y)));
}

}  // namespace q
