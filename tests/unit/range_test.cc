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
// half. An outlier 60 deviations out leaves mse at minmax: the greedy search stops at its first worse step.
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
    {"one outlier", normal, 60, 25, 25, 0.5, 0.5},
    {"half zero", [](uint64_t i) { return std::max(0., normal(i)); }, 0, 1, 0.5, 1, 1},
    {"offset", [](uint64_t i) { return 100 + 0.6 * (uniform(i) - 0.5); }, 0, 0.5, 0.5, 0.5, 0.5},
    {"bimodal", [](uint64_t i) { return (i % 2 ? 3 : -3) + normal(i) / 2; }, 0, 0.5, 0.5, 0.5, 0.5},
    {"relu6", [](uint64_t i) { return std::clamp(3 * normal(i), 0., 6.); }, 0, 0.5, 0.5, 0.5, 0.5},
    {"uniform", [](uint64_t i) { return 2 * uniform(i) - 1; }, 0, 0.5, 0.5, 0.5, 0.5},
};

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

// The best of all pairs of ends at 24ths of the values' own; one end for symmetric schemes.
double best_sqnr(const std::vector<float>& values, const QuantSpec& spec) {
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  constexpr int kSteps = 24;
  double best = sqnr(values, spec, {*lo, *hi});
  for (int i = 1; i <= kSteps; ++i)
    for (int k = 1; k <= kSteps; ++k) {
      const float part = static_cast<float>(i) / kSteps, other = static_cast<float>(k) / kSteps;
      if (*lo >= 0 && k < kSteps) continue;  // zero is inside anyway: only the other end counts
      if (is_symmetric(spec.scheme) && i != k && *lo < 0) continue;
      best = std::max(best, sqnr(values, spec, {std::min(*lo, 0.f) * other, *hi * part}));
    }
  return best;
}

TEST(Range, LosesNoMoreThanStatedAgainstTheBest) {
  for (const Case& test : kCases) {
    std::vector<float> bulk;
    for (uint64_t i = 0; i < kValues; ++i) bulk.push_back(static_cast<float>(test.value(i)));
    std::vector<float> seen = bulk;
    if (test.outlier != 0) seen.push_back(test.outlier);
    const ObserverDef& histogram = *find_observer("histogram");
    ObserverState state = histogram.init(1);
    histogram.update(state,
                     {DType::kF32,
                      {static_cast<int64_t>(seen.size())},
                      reinterpret_cast<const std::byte*>(seen.data()),
                      nullptr},
                     0, *kernels_up_to("generic"));
    for (bool symmetric : {false, true}) {
      Observation observation;
      observation.observer = "histogram";
      if (symmetric) {
        observation.spec.dtype = DType::kI8;
        observation.spec.scheme = QScheme::kPerTensorSymmetric;
        observation.spec.quant_min = -128;
        observation.spec.quant_max = 127;
      }
      const double best = best_sqnr(bulk, observation.spec);
      const std::pair<std::string_view, double> bounds[] = {{"mse", test.mse},
                                                            {"minmax", test.minmax},
                                                            {"percentile", test.percentile},
                                                            {"entropy", test.entropy}};
      for (const auto& [method, bound] : bounds) {
        observation.method = method;
        const Range range = histogram.finish(state, observation)[0];
        const double loss = best - sqnr(bulk, observation.spec, range);
        EXPECT_LE(loss, bound) << test.name << ", " << method << (symmetric ? ", symmetric" : ", affine");
      }
    }
  }
}

}  // namespace
}  // namespace q
