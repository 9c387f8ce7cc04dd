// Scale and zero point from observed ranges: PyTorch's observers' rule, evaluated in binary32.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "q/quant.h"

namespace q {

namespace {

struct Chosen {
  float scale;
  int32_t zero_point;
};

// The integer for real 0 of unsigned types: 128 of 0..255, and as torch has it the lower middle of a narrower
// range.
int32_t middle(const QuantSpec& spec) {
  const bool is_whole = spec.quant_min == lowest(spec.dtype) && spec.quant_max == highest(spec.dtype);
  return static_cast<int32_t>((static_cast<int64_t>(spec.quant_min) + spec.quant_max + is_whole) >> 1);
}

Chosen choose_symmetric(const QuantSpec& spec, float reach) {
  const float half_levels = static_cast<float>(static_cast<double>(spec.quant_max) - spec.quant_min) / 2;
  return {std::max(reach / half_levels, spec.eps), lowest(spec.dtype) < 0 ? 0 : middle(spec)};
}

Chosen choose_affine(const QuantSpec& spec, float lo, float hi) {
  const float levels = static_cast<float>(static_cast<double>(spec.quant_max) - spec.quant_min);
  const float scale = std::max((hi - lo) / levels, spec.eps);
  const double zero_point = static_cast<double>(spec.quant_min) - std::rint(lo / scale);
  return {scale, static_cast<int32_t>(std::clamp<double>(zero_point, spec.quant_min, spec.quant_max))};
}

}  // namespace

QParams choose_qparams(const QuantSpec& spec, std::span<const Range> ranges, std::string_view place) {
  QParams out{spec.scheme, spec.axis, spec.quant_min, spec.quant_max, {}, {}};
  out.scales.reserve(ranges.size());
  for (const Range& range : ranges) {
    if (!(range.lo <= range.hi) || !std::isfinite(range.lo) || !std::isfinite(range.hi))
      throw Error(ErrorKind::kInvalid, text(place, ": range ", number(range.lo), " to ", number(range.hi),
                                            ", wanted finite and in order"));
    const float lo = std::min(range.lo, 0.0f), hi = std::max(range.hi, 0.0f);
    const Chosen chosen =
        is_symmetric(spec.scheme) ? choose_symmetric(spec, std::max(-lo, hi)) : choose_affine(spec, lo, hi);
    if (!std::isfinite(chosen.scale) || !std::isfinite(1 / chosen.scale))
      throw Error(ErrorKind::kInvalid, text(place, ": range ", number(range.lo), " to ", number(range.hi),
                                            " is too wide for binary32"));
    out.scales.push_back(chosen.scale);
    out.zero_points.push_back(chosen.zero_point);
  }
  return out;
}

}  // namespace q
