// What each method's range loses against the best one, over ten distributions of values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "base/math.h"
#include "kernels/dispatch.h"
#include "q/observer.h"

namespace q {
namespace {

constexpr int kValues = 20'000;

// Value i of a sequence in (0, 1): splitmix64's mix of a counter (Steele, Lea and Flood, 2014).
double uniform(uint64_t i) {
  uint64_t z = (i + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (static_cast<double>((z ^ (z >> 31)) >> 12) + 0.5) * 0x1p-52;
}

// The sum of twelve uniform numbers less 6: a deviation of 1, and no libm, whose bits differ by machine.
double normal(uint64_t i) {
  double sum = -6;
  for (uint64_t k = 0; k < 12; ++k) sum += uniform(12 * i + k + (uint64_t{1} << 40));
  return sum;
}

double laplace(uint64_t i) {
  const double u = uniform(i) - 0.5;
  return (u < 0 ? 1 : -1) * q::log(1 - 2 * std::abs(u));
}

// The most that a method may lose, in dB, for affine and symmetric schemes. Measured, rounded up to the next
// half.
struct Case {
  std::string_view name;
  double (*value)(uint64_t i);
  float outlier;  // one more value; 0 for none
  double mse, minmax, percentile, entropy;
};

const Case kCases[] = {
    {"normal", normal, 0, 0.5, 0.5, 0.5, 0.5},
    {"laplace", laplace, 0, 0.5, 0.5, 0.5, 3},
    {"constant", [](uint64_t) { return 1.5; }, 0, 0.5, 0.5, 0.5, 0.5},
    {"few places", [](uint64_t i) { return std::floor(uniform(i) * 7) / 2; }, 0, 0.5, 0.5, 0.5, 0.5},
    {"one outlier", normal, 60, 0.5, 25, 0.5, 0.5},
    {"half zero", [](uint64_t i) { return std::max(0., normal(i)); }, 0, 1, 0.5, 1, 1},
    {"offset", [](uint64_t i) { return 100 + 0.6 * (uniform(i) - 0.5); }, 0, 0.5, 0.5, 0.5, 0.5},
    {"bimodal", [](uint64_t i) { return (i % 2 ? 3 : -3) + normal(i) / 2; }, 0, 0.5, 0.5, 0.5, 0.5},
    {"relu6", [](uint64_t i) { return std::clamp(3 * normal(i), 0., 6.); }, 0, 0.5, 0.5, 0.5, 0.5},
    {"uniform", [](uint64_t i) { return 2 * uniform(i) - 1; }, 0, 0.5, 0.5, 0.5, 0.5},
};

std::vector<float> values_of(double (*value)(uint64_t)) {
  std::vector<float> out;
  for (uint64_t i = 0; i < kValues; ++i) out.push_back(static_cast<float>(value(i)));
  return out;
}

ObserverState state_of(const std::vector<float>& values) {
  const ObserverDef& histogram = *find_observer("histogram");
  ObserverState state = histogram.init(1);
  const Shape shape = {static_cast<int64_t>(values.size())};
  histogram.update(state, {DType::kF32, shape, reinterpret_cast<const std::byte*>(values.data()), nullptr}, 0,
                   *kernels_up_to("generic"));
  return state;
}

Observation observation_of(std::string_view method, bool symmetric) {
  Observation out;
  out.observer = "histogram";
  out.method = method;
  if (symmetric) {
    out.spec.dtype = DType::kI8;
    out.spec.scheme = QScheme::kPerTensorSymmetric;
    out.spec.quant_min = -128;
    out.spec.quant_max = 127;
  }
  return out;
}

Range range_of(const ObserverState& state, const Observation& observation) {
  return find_observer("histogram")->finish(state, observation)[0];
}

// In dB, of really quantizing for a range; no error at all counts as 200.
double sqnr(const std::vector<float>& values, const QuantSpec& spec, const Range& range) {
  const QParams params = choose_qparams(spec, std::span(&range, 1), "range");
  const float scale = static_cast<float>(params.scales[0]);
  const int32_t zero = static_cast<int32_t>(params.zero_points[0]);
  double signal = 0, noise = 0;
  for (float x : values) {
    const float y =
        dequantize_value(quantize_value(x, scale, zero, spec.quant_min, spec.quant_max), scale, zero);
    signal += static_cast<double>(x) * x;
    noise += (static_cast<double>(x) - y) * (static_cast<double>(x) - y);
  }
  return 10 * std::log10(signal / std::max(noise, signal * 1e-20));
}

// The best of all pairs of ends at 24ths of the values' own, and then of those at 240ths around it; one end
// for symmetric schemes.
double best_sqnr(const std::vector<float>& values, const QuantSpec& spec) {
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  constexpr int kFine = 240, kStep = 10;
  struct Ends {
    int lo = kFine, hi = kFine;  // in parts of the values' own
  };
  Ends best;
  double found = sqnr(values, spec, {*lo, *hi});
  const auto try_all = [&](Ends from, Ends to, int step) {
    for (int i = std::max(from.lo, 1); i <= std::min(to.lo, kFine); i += step)
      for (int k = std::max(from.hi, 1); k <= std::min(to.hi, kFine); k += step) {
        if (*lo >= 0 && i < kFine) continue;  // zero is inside anyway: only the other end counts
        if (is_symmetric(spec.scheme) && i != k && *lo < 0) continue;
        const float low = static_cast<float>(i) / kFine, high = static_cast<float>(k) / kFine;
        const double here = sqnr(values, spec, {std::min(*lo, 0.f) * low, *hi * high});
        if (here <= found) continue;
        found = here;
        best = {i, k};
      }
  };
  try_all({kStep, kStep}, {kFine, kFine}, kStep);
  const Ends near = best;
  try_all({near.lo - kStep, near.hi - kStep}, {near.lo + kStep, near.hi + kStep}, 1);
  return found;
}

TEST(Range, LosesNoMoreThanStatedAgainstTheBest) {
  for (const Case& test : kCases) {
    const std::vector<float> usual = values_of(test.value);
    std::vector<float> seen = usual;
    if (test.outlier != 0) seen.push_back(test.outlier);
    const ObserverState state = state_of(seen);
    for (bool symmetric : {false, true}) {
      const std::pair<std::string_view, double> bounds[] = {{"mse", test.mse},
                                                            {"minmax", test.minmax},
                                                            {"percentile", test.percentile},
                                                            {"entropy", test.entropy}};
      const double best = best_sqnr(usual, observation_of("mse", symmetric).spec);
      for (const auto& [method, bound] : bounds) {
        const Observation observation = observation_of(method, symmetric);
        EXPECT_LE(best - sqnr(usual, observation.spec, range_of(state, observation)), bound)
            << test.name << ", " << method << (symmetric ? ", symmetric" : ", affine");
      }
    }
  }
}

// What was seen without it is quantized nearly as well, wherever one value more lies.
TEST(Range, OneOutlierCostsLittleHoweverFarOutItIs) {
  for (double (*value)(uint64_t) : {+normal, +laplace, +[](uint64_t i) { return std::max(0., normal(i)); }}) {
    const std::vector<float> usual = values_of(value);
    float reach = 0;
    for (float x : usual) reach = std::max(reach, std::abs(x));
    for (const float factor : {2.2f, 5.f, 20.f, 1e2f, 1e4f, 1e6f, 1e9f})
      for (const float sign : {1.f, -1.f}) {
        std::vector<float> seen = usual;
        seen.push_back(sign * factor * reach);
        const ObserverState state = state_of(seen), without = state_of(usual);
        for (std::string_view method : {"mse", "percentile", "entropy"})
          for (bool symmetric : {false, true}) {
            const Observation observation = observation_of(method, symmetric);
            EXPECT_LE(sqnr(usual, observation.spec, range_of(without, observation)) -
                          sqnr(usual, observation.spec, range_of(state, observation)),
                      1.5)
                << method << ' ' << sign * factor << (symmetric ? ", symmetric" : ", affine");
          }
      }
  }
}

}  // namespace
}  // namespace q
