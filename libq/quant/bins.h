// Where the bins of a histogram lie. Any BinsF32 divides the numbers; those made here nest: a bin lies whole
// in one bin of every layout that is made with a larger exponent, and every bin of split_bins(e) in one of
// even_bins(e).
#pragma once

#include "kernels/kernels.h"

namespace q {

// Exponents start here, so that 2^-exponent is a binary32 number.
constexpr int kLeastExponent = -126;
constexpr int64_t kMostEvenBins = 4096;

// The least exponent with which the numbers from lo to hi take at most 4096 even bins, no finer than the last
// bit of the largest magnitude: so bins stay within 2^24 of zero. It grows with the range.
int even_exponent(float lo, float hi);

// All bins 2^exponent wide.
BinsF32 even_bins(int exponent);
// Those of magnitude 16 * 2^exponent and more are 2^exponent wide. The 32 powers of two below have 16 bins
// each, as far as binary32 tells such numbers apart, and what is smaller still is in the bins at zero: of the
// 16 widths on each side of zero come at most 513 bins.
BinsF32 split_bins(int exponent);

// The bin of a finite number.
int64_t bin_of(const BinsF32& bins, float x);
// Where bin `bin` begins. Exact; infinite or beyond binary32 only above the bin of its largest number.
double lower_edge(const BinsF32& bins, int64_t bin);
// The bin of `to` in which bin `bin` of `from` lies: precondition, that it does.
int64_t bin_in(const BinsF32& to, const BinsF32& from, int64_t bin);

}  // namespace q
