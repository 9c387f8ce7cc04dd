#include "quant/bins.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace q {

namespace {

constexpr int kFineShift = 19;  // leaves four bits of the mantissa: 16 bins for each power of two
constexpr int32_t kFine = 16;
constexpr int32_t kMostFine = 32 * kFine + 1;
constexpr int kMantissaBits = 23;

// Of a number that is not negative.
int64_t bin_of_magnitude(const BinsF32& bins, uint32_t bits) {
  if (bits < bins.even) return std::max(0, static_cast<int32_t>(bits >> kFineShift) - bins.finest);
  return static_cast<int64_t>(std::bit_cast<float>(bits) * bins.scale) + bins.offset;
}

}  // namespace

int even_exponent(float lo, float hi) {
  const float reach = std::max(-lo, hi);
  int exponent = reach > 0 ? std::max(kLeastExponent, std::ilogb(reach) - kMantissaBits) : kLeastExponent;
  const auto bins = [&] { return bin_of(even_bins(exponent), hi) - bin_of(even_bins(exponent), lo) + 1; };
  while (bins() > kMostEvenBins) ++exponent;
  return exponent;
}

BinsF32 even_bins(int exponent) { return {std::ldexp(1.f, -exponent), 0, 0, 0}; }

BinsF32 split_bins(int exponent) {
  const uint32_t even = std::bit_cast<uint32_t>(std::ldexp(static_cast<float>(kFine), exponent));
  const int32_t fine = static_cast<int32_t>(even >> kFineShift), used = std::min(fine, kMostFine);
  return {std::ldexp(1.f, -exponent), even, fine - used, used - kFine};
}

int64_t bin_of(const BinsF32& bins, float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(std::abs(x));
  return x < 0 ? -1 - bin_of_magnitude(bins, bits - 1) : bin_of_magnitude(bins, bits);
}

double lower_edge(const BinsF32& bins, int64_t bin) {
  if (bin <= 0) return bin == 0 ? 0 : -lower_edge(bins, -bin);
  const int64_t fine = static_cast<int64_t>(bins.even >> kFineShift) - bins.finest;
  if (bin >= fine) return static_cast<double>(bin - bins.offset) / bins.scale;
  return std::bit_cast<float>(static_cast<uint32_t>(bin + bins.finest) << kFineShift);
}

int64_t bin_in(const BinsF32& to, const BinsF32& from, int64_t bin) {
  if (bin < 0) return -1 - bin_in(to, from, -1 - bin);
  return bin_of(to, static_cast<float>(lower_edge(from, bin)));
}

}  // namespace q
