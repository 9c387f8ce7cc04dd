// The rounding rules that the generic kernels share: from sums and reals to u8.
#pragma once

#include <math.h>  // the plain C functions: std's overloads are inline, hence weak symbols

#include "kernels/kernels.h"

namespace q::generic {

// clamp(zero_point + rint(x), lo, hi). The limits are integers, so clamping first gives the same and keeps
// the conversion in range. A NaN (of a multiplier beyond binary32) gives lo.
static inline uint8_t round_to_u8(float x, int32_t zero_point, int32_t lo, int32_t hi) {
  const float least = static_cast<float>(lo - zero_point), most = static_cast<float>(hi - zero_point);
  x = x > least ? x : least;
  x = x < most ? x : most;
  return static_cast<uint8_t>(static_cast<int32_t>(nearbyintf(x)) + zero_point);
}

static inline uint8_t to_u8(float x, const ToU8& to) {
  const float level = x * to.inverse_scale;
  return round_to_u8(isnan(level) ? 0 : level, to.zero_point, to.lo, to.hi);
}

// Unsigned sums wrap where int32 would be undefined: vpdpbusd wraps too, so rows agree even then.
static inline uint8_t requantize(uint32_t sum, size_t channel, const U8Output& out) {
  const int32_t biased = static_cast<int32_t>(sum + static_cast<uint32_t>(out.bias[channel]));
  return round_to_u8(static_cast<float>(biased) * out.multiplier[channel], out.zero_point, out.lo, out.hi);
}

static inline float as_real(uint32_t sum, size_t channel, const RealOutput& out) {
  const int32_t biased = static_cast<int32_t>(sum + static_cast<uint32_t>(out.bias[channel]));
  const float product = static_cast<float>(biased) * out.multiplier[channel];
  return product + out.offset[channel];
}

// min(max(x, lo), hi) in which a NaN stays one, and a zero keeps its sign.
static inline float clamp(float x, float lo, float hi) {
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}

}  // namespace q::generic
