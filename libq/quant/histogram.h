// How often values fall into bins.
#pragma once

#include <cstdint>
#include <vector>

#include "q/quant.h"
#include "quant/bins.h"

namespace q {

// Entry i counts the values in bin first + i. The first and the last are not 0.
struct Histogram {
  BinsF32 bins = even_bins(0);
  int64_t first = 0;
  std::vector<int64_t> counts;
  Range range;  // of the values themselves
};

// Behind the last bin.
int64_t end_bin(const Histogram& h);

// The histogram of magnitudes: bin k and bin -1 - k become one.
struct Folded {
  int64_t first;
  std::vector<int64_t> counts;
};
Folded fold(const Histogram& h);

// The same counts in even bins of the width of `split`, which has split_bins.
Histogram evened(const Histogram& split);

// What is left without outliers, in even bins that are laid out as if these had never been seen; a count is
// dealt evenly to those that its own bin covers, but that of a bin at zero stays there. `split` has
// split_bins; without outliers it is evened.
//
// Outliers are the values furthest from zero, on both sides: as many as lie more than twice as far out as all
// others, as far as their bins tell, but at most one in 10,000 of the values outside the bins at zero, and
// none of fewer than 1,000.
Histogram without_outliers(const Histogram& split);

}  // namespace q
