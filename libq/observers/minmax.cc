// minmax: the smallest and the largest value seen.
#include <algorithm>
#include <limits>

#include "observers/shared/state.h"

namespace q {

namespace {

enum Field { kRange, kCounts };
constexpr std::string_view kFields[] = {"range", "counts"};
constexpr std::string_view kMethods[] = {"minmax"};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

ObserverState init(int64_t) {
  ObserverState state = {make_ranges({2}, kInfinity), make_counts()};
  state[kRange].as<float>()[1] = -kInfinity;
  return state;
}

void widen(ObserverState& state, float lo, float hi) {
  float* range = own(state[kRange]).as<float>();
  range[0] = std::min(range[0], lo);
  range[1] = std::max(range[1], hi);
}

void update(ObserverState& state, View values, int, const Kernels& kernels) {
  const MinMaxF32 found = find_range(values, kernels);
  const int64_t non_finite = static_cast<int64_t>(found.non_finite);
  add_counts(state, elements(values.shape) - non_finite, non_finite);
  widen(state, found.lo, found.hi);
}

void check(const ObserverState& state) {
  check_size(state, kFields);
  check_tensor(state[kRange], kFields[kRange], DType::kF32, {2});
  check_counts(state[kCounts]);
  const float* range = state[kRange].as<float>();
  const int64_t needed = check_range(range[0], range[1]) ? 1 + (range[0] < range[1]) : 0,
                found = finite_count(state);
  if (found < needed || (needed == 0 && found > 0))
    throw Error(ErrorKind::kInvalid, "range and counts contradict each other");
}

void merge(ObserverState& into, const ObserverState& from) {
  check(from);
  add_counts(into, finite_count(from), non_finite_count(from));
  const float* range = from[kRange].as<float>();
  widen(into, range[0], range[1]);
}

std::vector<Range> finish(const ObserverState& state, const Observation& observation) {
  check_method(observation, kMethods);
  const float* range = state[kRange].as<float>();
  return {{range[0], range[1]}};
}

}  // namespace

extern const ObserverDef observer_minmax;
constinit const ObserverDef observer_minmax = {
    .name = "minmax",
    .doc = "the smallest and the largest value",
    .fields = kFields,
    .methods = kMethods,
    .init = init,
    .update = update,
    .merge = merge,
    .check = check,
    .count = finite_count,
    .non_finite = non_finite_count,
    .finish = finish,
};

}  // namespace q
