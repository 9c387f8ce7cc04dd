#include "passes/shared/ranges.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace q {

namespace {

std::string words(const Range& range) { return text(number(range.lo), " to ", number(range.hi)); }

// Fewer steps than this between the smallest and the largest value tell little of what is between them.
constexpr double kFewSteps = 16;

void warn(const std::string& value, const QuantSpec& spec, const Range& range, float scale,
          Changes& changes) {
  if (range.lo == 0 && range.hi == 0)
    changes.push_back({"only zeros", value, "was 0 in all samples", true});
  else if (range.lo == range.hi)
    changes.push_back({"constant", value, text("was ", number(range.lo), " in all samples"), true});
  else if (scale <= spec.eps)
    changes.push_back(
        {"scale at the floor", value, text("of ", number(spec.eps), ", for the range ", words(range)), true});
  else if ((static_cast<double>(range.hi) - range.lo) / scale < kFewSteps)
    changes.push_back({"range far from zero", value,
                       text(words(range), " takes ", std::lround((range.hi - range.lo) / scale), " of ",
                            spec.quant_max - spec.quant_min, " steps"),
                       true});
}

}  // namespace

const ObserverDef& observer_of(const std::string& name, const std::string& place) {
  const ObserverDef* def = find_observer(name);
  if (def == nullptr) throw Error(ErrorKind::kInvalid, text(place, ": no observer is called ", name));
  return *def;
}

std::vector<Range> ranges_of(const std::string& value, const Observation& observation, const ObserverDef& def,
                             const ObserverState& state, const std::vector<Border>& borders) {
  if (def.count(state) == 0)
    throw Error(ErrorKind::kInvalid, text("/values/", value, ": saw no values, cannot choose a range"));
  std::vector<Range> out = def.finish(state, observation);
  for (Range& range : out) {
    for (const Border& border : borders) {
      if (border.shows_low) range.lo = std::min(range.lo, border.value);
      range.hi = std::max(range.hi, border.value);
    }
  }
  return out;
}

QParams activation_qparams(const std::string& value, const QuantSpec& spec, const Range& range,
                           Changes& changes) {
  QParams out = choose_qparams(spec, {&range, 1}, text("/values/", value));
  warn(value, spec, range, static_cast<float>(out.scales[0]), changes);
  if (range.lo == 0 && range.hi == 0) out.scales[0] = 1;
  return out;
}

}  // namespace q
