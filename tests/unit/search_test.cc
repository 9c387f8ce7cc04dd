// Range searches against the formulas they follow, written out without any shortcut.
#include "quant/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "seed.h"

namespace q {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

QuantSpec spec_of(QScheme scheme, int32_t quant_min, int32_t quant_max) {
  QuantSpec spec;
  spec.scheme = scheme;
  spec.quant_min = quant_min;
  spec.quant_max = quant_max;
  return spec;
}

const QuantSpec kAffine8 = spec_of(QScheme::kPerTensorAffine, 0, 255);
const QuantSpec kSymmetric8 = spec_of(QScheme::kPerTensorSymmetric, -128, 127);

// Bins of width 1 from `first` on; the ends of the range lie 1/4 inside of the outer bins.
Histogram histogram_of(int64_t first, const std::vector<int64_t>& counts) {
  return {even_bins(0),
          first,
          counts,
          {static_cast<float>(first) + 0.25f,
           static_cast<float>(first + static_cast<int64_t>(counts.size())) - 0.25f}};
}

std::vector<int64_t> normal_counts(std::mt19937_64& random, int bins, int values, double mean,
                                   double deviation) {
  std::vector<int64_t> counts(static_cast<size_t>(bins));
  std::normal_distribution<double> normal(mean, deviation);
  for (int i = 0; i < values; ++i) {
    const double x = std::floor(normal(random));
    if (x >= 0 && x < bins) ++counts[static_cast<size_t>(x)];
  }
  ++counts.front();
  ++counts.back();
  return counts;
}

int64_t sum_of(const std::vector<int64_t>& counts) {
  int64_t sum = 0;
  for (int64_t count : counts) sum += count;
  return sum;
}

// torch.ao.quantization.observer.HistogramObserver._compute_quantization_error for bins of width 1 whose
// first has its lower edge at `position` above the range's, which is `width` wide.
double torch_error(const std::vector<int64_t>& h, int64_t position, int64_t width, int64_t levels) {
  const double dw = static_cast<double>(width) / static_cast<double>(levels);
  const auto integral = [](double p, double u, double v) { return p * (v * v * v - u * u * u) / 3; };
  double error = 0;
  for (size_t i = 0; i < h.size(); ++i) {
    const double b0 = static_cast<double>(position + static_cast<int64_t>(i)), b1 = b0 + 1,
                 p = static_cast<double>(h[i]);
    const double d0 = std::clamp(std::floor(b0 / dw), 0., static_cast<double>(levels - 1));
    const double d1 = std::clamp(std::floor(b1 / dw), 0., static_cast<double>(levels - 1));
    error += integral(p, b0 - (d0 + 0.5) * dw, dw / 2) + (d1 - d0 - 1) * integral(p, -dw / 2, dw / 2) +
             integral(p, -dw / 2, b1 - (d1 * dw + dw / 2));
  }
  return error;
}

struct Ends {
  int64_t from, to;
};

// _non_linear_param_search, with its rescans. Ends are bins, the last one excluded.
Ends torch_search(const std::vector<int64_t>& h, int64_t levels) {
  std::vector<double> cs;
  for (int64_t count : h) cs.push_back((cs.empty() ? 0 : cs.back()) + static_cast<double>(count));
  const double total = cs.back(), step = 1e-5;
  double a = 0, b = 1, best = kInfinity;
  int64_t S = 0, E = static_cast<int64_t>(h.size()) - 1;
  while (a < b) {
    const double na = a + step, nb = b - step;
    int64_t l = S, r = E, nS = S, nE = E;
    while (l < E && cs[static_cast<size_t>(l)] < na * total) ++l;
    while (r > S && cs[static_cast<size_t>(r)] > nb * total) --r;
    if (l - S > E - r) {
      nS = l;
      a = na;
    } else {
      nE = r;
      b = nb;
    }
    if (nS == S && nE == E) continue;
    const double error = torch_error(h, -nS, nE - nS + 1, levels);
    if (error > best) break;
    best = error;
    S = nS;
    E = nE;
  }
  return {S, E + 1};
}

TEST(Mse, CutsWhereTorchsSearchCuts) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 12; ++round) {
    const int bins = 1 + static_cast<int>(random() % 1500);
    const double deviation = bins * (0.02 + 0.2 * static_cast<double>(random() % 1000) / 1000);
    const std::vector<int64_t> counts = normal_counts(random, bins, 20000, bins * 0.4, deviation);
    const int64_t first = static_cast<int64_t>(random() % 3000) - 2000;
    const Histogram histogram = histogram_of(first, counts);
    for (int32_t quant_max : {255, 127, 15, 3}) {
      const Ends wanted = torch_search(counts, quant_max + 1);
      const Range found = search_mse(histogram, spec_of(QScheme::kPerTensorAffine, 0, quant_max));
      EXPECT_EQ(found.lo, std::max(histogram.range.lo, static_cast<float>(first + wanted.from)))
          << bins << " bins, to " << quant_max;
      EXPECT_EQ(found.hi, std::min(histogram.range.hi, static_cast<float>(first + wanted.to)))
          << bins << " bins, to " << quant_max;
    }
  }
}

TEST(Mse, OfASymmetricSchemeSearchesSymmetricRanges) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 8; ++round) {
    const std::vector<int64_t> counts = normal_counts(random, 900, 20000, 300, 60);
    const int64_t first = -400 + static_cast<int64_t>(random() % 200);
    const Histogram histogram = histogram_of(first, counts);
    // By definition: the last reach before the error grows.
    std::vector<double> magnitudes(2000);
    for (size_t i = 0; i < counts.size(); ++i) {
      const int64_t bin = first + static_cast<int64_t>(i);
      magnitudes[static_cast<size_t>(bin < 0 ? -1 - bin : bin)] += static_cast<double>(counts[i]);
    }
    int64_t reach = std::max(-first, first + static_cast<int64_t>(counts.size()));
    double best = kInfinity, inside = static_cast<double>(sum_of(counts));
    const double total = inside;
    int64_t next = reach;
    for (double share = 1 - 1e-5; share > 0; share -= 1e-5) {
      while (next > 1 && inside > share * total) inside -= magnitudes[static_cast<size_t>(--next)];
      if (next == reach) continue;
      const double error = torch_error(counts, first + next, 2 * next, 256);
      if (error > best) break;
      best = error;
      reach = next;
    }
    const Range found = search_mse(histogram, kSymmetric8);
    EXPECT_EQ(found.lo, std::max(histogram.range.lo, static_cast<float>(-reach)));
    EXPECT_EQ(found.hi, std::min(histogram.range.hi, static_cast<float>(reach)));
  }
}

TEST(Mse, CutsAnOutlierAndKeepsAUniformRange) {
  std::vector<int64_t> counts(3000);
  std::fill_n(counts.begin(), 300, 1000);
  counts.back() = 1;
  const Range cut = search_mse(histogram_of(0, counts), spec_of(QScheme::kPerTensorAffine, 0, 15));
  EXPECT_EQ(cut.lo, 0.25f);
  EXPECT_GE(cut.hi, 290);
  EXPECT_LE(cut.hi, 310);

  const std::vector<int64_t> uniform(2048, 1000);
  const Range kept = search_mse(histogram_of(0, uniform), kAffine8);
  EXPECT_LT(kept.hi - kept.lo, 2048);
  EXPECT_GT(kept.hi - kept.lo, 2000);
}

TEST(Search, KeepsTheOnlyValueThereIs) {
  for (int64_t first : {-5, 0, 7}) {
    const std::vector<int64_t> counts = {9};
    Histogram histogram = histogram_of(first, counts);
    histogram.range.hi = histogram.range.lo;
    for (const QuantSpec& spec : {kAffine8, kSymmetric8}) {
      for (const Range& range : {search_mse(histogram, spec), search_percentile(histogram, spec, 50),
                                 search_entropy(histogram, spec)}) {
        EXPECT_EQ(range.lo, histogram.range.lo);
        EXPECT_EQ(range.hi, histogram.range.lo);
      }
    }
  }
}

// The upper edge of the last bin is 2^128.
TEST(Search, StaysInsideBinary32) {
  const std::vector<int64_t> counts(4096, 1);
  constexpr float kMax = std::numeric_limits<float>::max();
  const Histogram histogram = {even_bins(117), -2048, counts, {-kMax, kMax}};
  for (const QuantSpec& spec : {kAffine8, kSymmetric8}) {
    const Range all = search_percentile(histogram, spec, 100);
    EXPECT_EQ(all.lo, -kMax);
    EXPECT_EQ(all.hi, kMax);
    for (const Range& range : {search_mse(histogram, spec), search_entropy(histogram, spec)}) {
      EXPECT_GE(range.lo, -kMax);
      EXPECT_LE(range.hi, kMax);
    }
  }
}

TEST(Percentile, CutsHalfOfTheTailAtEachEndWhenBothSignsOccur) {
  const std::vector<int64_t> counts = {2, 3, 40, 50, 4, 1};  // 100 values in [-3, 3)
  const Histogram histogram = histogram_of(-3, counts);
  const auto range = [&](double percentile) { return search_percentile(histogram, kAffine8, percentile); };
  EXPECT_EQ(range(100).lo, -2.75f);
  EXPECT_EQ(range(100).hi, 2.75f);
  EXPECT_EQ(range(98).lo,
            -2.75f);  // one value each: the upper end has such a bin, the lower has two values in it
  EXPECT_EQ(range(98).hi, 2);
  EXPECT_EQ(range(96).lo, -2);
  EXPECT_EQ(range(96).hi, 2);
  EXPECT_EQ(range(90).lo, -1);
  EXPECT_EQ(range(90).hi, 1);
}

TEST(Percentile, CutsTheWholeTailAtTheOneEndWhenOneSignOccurs) {
  const std::vector<int64_t> falling = {50, 40, 5, 3, 2}, rising = {2, 3, 5, 40, 50};
  const Range positive = search_percentile(histogram_of(0, falling), kAffine8, 95);
  EXPECT_EQ(positive.lo, 0.25f);
  EXPECT_EQ(positive.hi, 3);
  const Range negative = search_percentile(histogram_of(-5, rising), kAffine8, 95);
  EXPECT_EQ(negative.lo, -3);
  EXPECT_EQ(negative.hi, -0.25f);
}

TEST(Percentile, CutsTheLargestMagnitudesForSymmetricSchemes) {
  const std::vector<int64_t> counts = {2, 3, 40, 50, 4, 1};
  const Range range =
      search_percentile(histogram_of(-3, counts), kSymmetric8, 97);  // 3 values have magnitudes of 2 and more
  EXPECT_EQ(range.lo, -2);
  EXPECT_EQ(range.hi, 2);
}

TEST(Percentile, CountsExactlyAlsoBeyond53Bits) {
  // 2^60 values: of these 0.01 % are 115292150460684.69…
  constexpr int64_t kOutside = 115292150460684;
  for (const auto& [tail, hi] : {std::pair{kOutside, 2.f}, {kOutside + 1, 2.75f}}) {
    const std::vector<int64_t> counts = {(int64_t{1} << 60) - tail - 1, 1, tail};
    EXPECT_EQ(search_percentile(histogram_of(0, counts), kAffine8, 99.99).hi, hi);
  }
}

TEST(Percentile, KeepsAllWhenNoValueMayBeOutside) {
  const std::vector<int64_t> counts = {1, 0, 0, 7, 0, 1};
  const Range range = search_percentile(histogram_of(-2, counts), kAffine8, 99.99);
  EXPECT_EQ(range.lo, -1.75f);
  EXPECT_EQ(range.hi, 3.75f);
}

// The divergence of P from Q, both as whole distributions over the first `reach` bins of magnitude.
double divergence(const std::vector<int64_t>& magnitudes, int64_t reach, int64_t levels) {
  std::vector<double> p(magnitudes.begin(), magnitudes.begin() + reach), q(static_cast<size_t>(reach));
  for (int64_t level = 0; level < levels; ++level) {
    double count = 0, used = 0;
    for (int64_t i = 0; i < reach; ++i) {
      if (i * levels / reach != level) continue;
      count += static_cast<double>(magnitudes[static_cast<size_t>(i)]);
      used += magnitudes[static_cast<size_t>(i)] > 0;
    }
    for (int64_t i = 0; i < reach; ++i)
      if (i * levels / reach == level && magnitudes[static_cast<size_t>(i)] > 0)
        q[static_cast<size_t>(i)] = count / used;
  }
  for (size_t i = static_cast<size_t>(reach); i < magnitudes.size(); ++i)
    p.back() += static_cast<double>(magnitudes[i]);
  double p_sum = 0, q_sum = 0, sum = 0;
  for (double x : p) p_sum += x;
  for (double x : q) q_sum += x;
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0) sum += p[i] / p_sum * std::log((p[i] / p_sum) / (q[i] / q_sum));
  return sum;
}

// Where the search ends by definition, but for divergences that rounding cannot tell apart.
void expect_least_divergence(const std::vector<int64_t>& counts, int64_t first, const QuantSpec& spec) {
  const int64_t end = first + static_cast<int64_t>(counts.size());
  std::vector<int64_t> magnitudes(static_cast<size_t>(std::max(-first, end)));
  for (int64_t bin = first; bin < end; ++bin)
    magnitudes[static_cast<size_t>(bin < 0 ? -1 - bin : bin)] += counts[static_cast<size_t>(bin - first)];
  // the bin at zero, where there is one, counts as much as its neighbour
  if (first <= 0 && end >= 0 && magnitudes.size() > 1) magnitudes[0] = magnitudes[1];
  const int64_t all = static_cast<int64_t>(magnitudes.size()),
                levels = int64_t{spec.quant_max} - spec.quant_min + 1;
  const auto levels_of = [&](int64_t reach) {
    const int64_t negative = std::min(reach, std::max<int64_t>(-first, 0)),
                  positive = std::min(reach, std::max<int64_t>(end, 0));
    return levels * reach / (is_symmetric(spec.scheme) ? 2 * reach : negative + positive);
  };
  const int64_t total = sum_of(magnitudes);
  double least = kInfinity;
  int64_t inside = 0;
  for (int64_t reach = 1; reach <= all; ++reach) {
    inside += magnitudes[static_cast<size_t>(reach) - 1];
    if (total - inside > total / 100) continue;
    if (levels_of(reach) <= reach && magnitudes[static_cast<size_t>(reach) - 1] > 0)
      least = std::min(least, divergence(magnitudes, reach, levels_of(reach)));
  }
  const Histogram histogram = histogram_of(first, counts);
  const Range found = search_entropy(histogram, spec);
  const int64_t reach =
      std::min<int64_t>(all, static_cast<int64_t>(std::ceil(std::max(-found.lo, found.hi))));
  EXPECT_EQ(found.lo, std::max(histogram.range.lo, static_cast<float>(-reach)));
  EXPECT_EQ(found.hi, std::min(histogram.range.hi, static_cast<float>(reach)));
  // Sums of some 1e3 terms up to 20 in binary64.
  if (least < kInfinity) {
    EXPECT_NEAR(divergence(magnitudes, reach, levels_of(reach)), least, 2e-11);
  }
}

TEST(Entropy, FindsTheLeastDivergence) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int32_t quant_max : {63, 15}) {
    const QuantSpec affine = spec_of(QScheme::kPerTensorAffine, 0, quant_max);
    const QuantSpec symmetric = spec_of(QScheme::kPerTensorSymmetric, -quant_max / 2 - 1, quant_max / 2);
    for (const QuantSpec& spec : {affine, symmetric}) {
      expect_least_divergence(normal_counts(random, 300, 3000, 0, 40), 0, spec);       // one sign
      expect_least_divergence(normal_counts(random, 300, 3000, 150, 30), -150, spec);  // both
      expect_least_divergence(normal_counts(random, 300, 3000, 20, 30), -10, spec);  // hardly any below zero
      expect_least_divergence(normal_counts(random, 300, 3000, 300, 40), -300, spec);  // all below zero
      expect_least_divergence(normal_counts(random, 200, 3000, 50, 20), 30, spec);     // away from zero
    }
  }
}

TEST(Entropy, IsNotMisledByTheZerosOfARelu) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::vector<int64_t> counts = normal_counts(random, 2100, 100000, 0, 700);
  const Range without = search_entropy(histogram_of(0, counts), kAffine8);
  counts[0] = 10'000'000;
  const Range with = search_entropy(histogram_of(0, counts), kAffine8);
  EXPECT_EQ(without.hi, with.hi);
  EXPECT_GT(with.hi, 700);
}

TEST(Entropy, KeepsARangeWithNoMoreBinsThanLevels) {
  const std::vector<int64_t> counts = {5, 3, 1, 9, 1};
  const Range range = search_entropy(histogram_of(0, counts), kAffine8);
  EXPECT_EQ(range.lo, 0.25f);
  EXPECT_EQ(range.hi, 4.75f);
}

TEST(Entropy, KeepsEveryPlaceThatHoldsMoreThanOneValueInAHundred) {
  std::vector<int64_t> counts(4096);
  for (size_t place : {0u, 700u, 2000u, 4095u}) counts[place] = 1000;
  EXPECT_EQ(search_entropy(histogram_of(0, counts), kAffine8).hi, 4095.75f);
  counts[4095] = 20;  // of 2020 beside zero: not more than 1 %
  EXPECT_GE(search_entropy(histogram_of(0, counts), kAffine8).hi, 2001);
}

// Clipping the value at 600 to the place of all others has no divergence, and neither has keeping it.
TEST(Entropy, TakesTheGreatestOfRangesThatAreEquallyGood) {
  for (int64_t others = 100; others < 400; ++others) {
    std::vector<int64_t> counts(301);
    counts.front() = others;
    counts.back() = 1;
    const Range found = search_entropy(histogram_of(300, counts), kAffine8);
    EXPECT_EQ(found.hi, 600.75f) << others;
  }
}

}  // namespace
}  // namespace q
