// per_channel_minmax: the smallest and the largest value of each channel.
#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "base/text.h"
#include "observers/shared/state.h"

namespace q {

namespace {

enum Field { kLo, kHi, kCounts };
constexpr std::string_view kFields[] = {"lo", "hi", "counts"};
constexpr std::string_view kMethods[] = {"minmax"};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int64_t channels_of(const ObserverState& state) { return state[kLo].type.shape[0]; }

ObserverState init(int64_t channels) {
  return {make_ranges({channels}, kInfinity), make_ranges({channels}, -kInfinity), make_counts()};
}

void update(ObserverState& state, View values, int axis, const Kernels& kernels) {
  check_values(values);
  const int64_t channels = channels_of(state);
  if (axis < 0 || axis >= values.shape.rank || values.shape[axis] != channels)
    throw Error(ErrorKind::kInvalid, text("values of shape ", to_string(values.shape), ", wanted ", channels,
                                          " channels along axis ", axis));
  const int64_t count = elements(values.shape);
  int64_t inner = 1;
  for (int i = axis + 1; i < values.shape.rank; ++i) inner *= values.shape[i];
  std::vector<MinMaxF32> found(static_cast<size_t>(channels), {kInfinity, -kInfinity, 0});
  parallel_for(channels, [&](int64_t channel) {
    for (int64_t first = channel * inner; first < count; first += channels * inner)
      kernels.minmax_f32(values.as<float>() + first, static_cast<size_t>(inner),
                         &found[static_cast<size_t>(channel)]);
  });
  int64_t non_finite = 0;
  for (const MinMaxF32& range : found) non_finite += static_cast<int64_t>(range.non_finite);
  add_counts(state, count - non_finite, non_finite);
  float *lo = own(state[kLo]).as<float>(), *hi = own(state[kHi]).as<float>();
  for (size_t channel = 0; channel < found.size(); ++channel) {
    lo[channel] = std::min(lo[channel], found[channel].lo);
    hi[channel] = std::max(hi[channel], found[channel].hi);
  }
}

void check(const ObserverState& state) {
  check_size(state, kFields);
  const Shape& shape = state[kLo].type.shape;
  check_tensor(state[kLo], kFields[kLo], DType::kF32, {shape.rank > 0 ? shape[0] : 0});
  check_tensor(state[kHi], kFields[kHi], DType::kF32, shape);
  check_counts(state[kCounts]);
  const float *lo = state[kLo].as<float>(), *hi = state[kHi].as<float>();
  int64_t needed = 0;
  for (int64_t channel = 0; channel < shape[0]; ++channel)
    if (check_range(lo[channel], hi[channel])) needed += 1 + (lo[channel] < hi[channel]);
  const int64_t found = finite_count(state);
  if (found < needed || (needed == 0 && found > 0))
    throw Error(ErrorKind::kInvalid, "ranges and counts contradict each other");
}

void merge(ObserverState& into, const ObserverState& from) {
  check(from);
  const int64_t channels = channels_of(into);
  if (channels_of(from) != channels)
    throw Error(ErrorKind::kInvalid, text("a record of ", channels_of(from), " channels, wanted ", channels));
  float *lo = own(into[kLo]).as<float>(), *hi = own(into[kHi]).as<float>();
  for (int64_t channel = 0; channel < channels; ++channel) {
    lo[channel] = std::min(lo[channel], from[kLo].as<float>()[channel]);
    hi[channel] = std::max(hi[channel], from[kHi].as<float>()[channel]);
  }
  add_counts(into, finite_count(from), non_finite_count(from));
}

std::vector<Range> finish(const ObserverState& state, const Observation& observation) {
  check_method(observation, kMethods);
  std::vector<Range> ranges;
  for (int64_t channel = 0; channel < channels_of(state); ++channel)
    ranges.push_back({state[kLo].as<float>()[channel], state[kHi].as<float>()[channel]});
  return ranges;
}

}  // namespace

extern const ObserverDef observer_per_channel_minmax;
constinit const ObserverDef observer_per_channel_minmax = {
    .name = "per_channel_minmax",
    .doc = "the smallest and the largest value of each channel, for weights",
    .fields = kFields,
    .methods = kMethods,
    .per_channel = true,
    .init = init,
    .update = update,
    .merge = merge,
    .check = check,
    .count = finite_count,
    .non_finite = non_finite_count,
    .finish = finish,
};

}  // namespace q
