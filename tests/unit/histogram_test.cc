// Histograms: bins that nest, and what is left without outliers.
#include "quant/histogram.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <numeric>

namespace q {
namespace {

constexpr float kTiny = 0x1p-149f;

std::vector<float> probes() {
  std::vector<float> out = {0, kTiny, FLT_MIN, FLT_MAX};
  for (int power = -149; power < 128; power += 3)
    for (const float mantissa : {1.f, 1.03f, 1.4f, 1.999f}) out.push_back(std::ldexp(mantissa, power));
  return out;
}

TEST(Bins, HoldTheNumbersBetweenTheirEdges) {
  for (const int exponent : {-126, -100, -9, 0, 9, 104})
    for (const BinsF32& bins : {even_bins(exponent), split_bins(exponent)})
      for (const float x : probes()) {
        if (x >= std::ldexp(1., exponent + 24)) continue;
        const int64_t bin = bin_of(bins, x);
        EXPECT_LE(lower_edge(bins, bin), x);
        EXPECT_LT(x, lower_edge(bins, bin + 1));
        if (x == 0) continue;
        const int64_t mirrored = bin_of(bins, -x);
        EXPECT_LE(lower_edge(bins, mirrored), -x);
        EXPECT_LT(-x, lower_edge(bins, mirrored + 1));
      }
}

TEST(Bins, OfASmallerExponentLieInOneOfALarger) {
  for (const int exponent : {-126, -110, -20, 0, 40})
    for (const int coarser : {0, 1, 3, 30, 64})
      for (const BinsF32& to : {split_bins(exponent + coarser), even_bins(exponent + coarser)})
        for (const float magnitude : probes())
          for (const float x : {magnitude, -magnitude}) {
            if (magnitude >= std::ldexp(1., exponent + 24)) continue;
            const BinsF32 from = split_bins(exponent);
            EXPECT_EQ(bin_in(to, from, bin_of(from, x)), bin_of(to, x))
                << x << ' ' << exponent << ' ' << coarser;
          }
}

// `count` values at each place.
Histogram histogram_of(const std::vector<std::pair<float, int64_t>>& places) {
  Range range = {places[0].first, places[0].first};
  for (const auto& [x, count] : places) range = {std::min(range.lo, x), std::max(range.hi, x)};
  Histogram out{split_bins(even_exponent(range.lo, range.hi)), 0, {}, range};
  out.first = bin_of(out.bins, range.lo);
  out.counts.resize(static_cast<size_t>(bin_of(out.bins, range.hi) - out.first + 1));
  for (const auto& [x, count] : places)
    out.counts[static_cast<size_t>(bin_of(out.bins, x) - out.first)] += count;
  return out;
}

Range left_of(const std::vector<std::pair<float, int64_t>>& places) {
  const Histogram split = histogram_of(places);
  const Histogram found = without_outliers(split);
  int64_t count = 0;
  for (const auto& [x, n] : places)
    if (x >= found.range.lo && x <= found.range.hi) count += n;
  EXPECT_EQ(std::accumulate(found.counts.begin(), found.counts.end(), int64_t{0}), count);
  EXPECT_GT(found.counts.front(), 0);
  EXPECT_GT(found.counts.back(), 0);
  EXPECT_LE(found.counts.size(), 4096u);
  return found.range;
}

TEST(Outliers, AreAtMostOneInTenThousand) {
  EXPECT_LT(left_of({{1, 1000}, {0.5f, 28'999}, {1e6f, 3}}).hi, 1.1f);
  EXPECT_EQ(left_of({{1, 1000}, {0.5f, 28'995}, {1e6f, 4}}).hi, 1e6f);
  EXPECT_LT(left_of({{1, 1000}, {0.5f, 28'999}, {1e6f, 2}, {-1e6f, 1}}).hi, 1.1f);
  EXPECT_EQ(left_of({{1, 1000}, {0.5f, 28'990}, {1e6f, 2}, {-1e6f, 2}}).hi, 1e6f);
}

TEST(Outliers, MayBeOneInAThousandValuesAndNoneInFewer) {
  EXPECT_LT(left_of({{1, 999}, {100, 1}}).hi, 1.1f);
  EXPECT_EQ(left_of({{1, 998}, {100, 1}}).hi, 100);
}

TEST(Outliers, AreToldFromValuesThatAreNotZero) {
  EXPECT_EQ(left_of({{0, 1'000'000}, {1, 1}}).hi, 1);
  EXPECT_EQ(left_of({{0, 1'000'000}, {1, 900}, {100, 1}}).hi, 100);
  EXPECT_LT(left_of({{0, 1'000'000}, {1, 999}, {100, 1}}).hi, 1.1f);
}

TEST(Outliers, LieMoreThanTwiceAsFarOutAsAllOthers) {
  EXPECT_EQ(left_of({{1, 5000}, {-1, 5000}, {2, 1}}).hi, 2);
  EXPECT_LT(left_of({{1, 5000}, {-1, 5000}, {2.2f, 1}}).hi, 1.1f);
  EXPECT_EQ(left_of({{1, 5000}, {-1.5f, 5000}, {2.2f, 1}}).hi, 2.2f);  // but -1.5 is not
}

TEST(Outliers, OfSeveralSizesAreLeftOutTogether) {
  const Range left = left_of({{1, 20'000}, {-0.5f, 10'000}, {10, 1}, {-1e3f, 1}, {1e6f, 1}});
  EXPECT_LT(left.hi, 1.1f);
  EXPECT_GT(left.lo, -0.6f);
}

TEST(Outliers, LeaveWhatIsFarFromZeroWhole) {
  const Range left = left_of({{100, 5000}, {100.5f, 5000}, {1e6f, 1}});
  EXPECT_LE(left.lo, 100);
  EXPECT_GE(left.hi, 100.5f);
  EXPECT_LT(left.hi, 110);
}

TEST(Outliers, LeaveTheBinsOfValuesWithoutThemAlone) {
  const std::vector<std::pair<float, int64_t>> places = {
      {-2, 3}, {-0.001f, 7}, {0, 100}, {0.25f, 50}, {3, 1}};
  const Histogram split = histogram_of(places);
  const int exponent = even_exponent(-2, 3);
  const Histogram kept = without_outliers(split), even = evened(split);
  EXPECT_EQ(kept.counts, even.counts);
  EXPECT_EQ(even.first, -1024);  // 2561 bins of 2^-9
  EXPECT_EQ(even.counts.size(), 2561u);
  for (const auto& [x, count] : places)
    EXPECT_EQ(even.counts[static_cast<size_t>(bin_of(even_bins(exponent), x) + 1024)], count) << x;
}

}  // namespace
}  // namespace q
