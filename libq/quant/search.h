// The range to quantize for, searched on a histogram of the values.
#pragma once

#include "q/quant.h"
#include "quant/histogram.h"

namespace q {

// mse and entropy want even bins. All searches return a part of histogram.range with ends at edges of bins,
// or that range's own. Zero need not lie inside: choose_qparams adds it. Symmetric schemes are searched on
// magnitudes, for a range that is symmetric before it is cut to histogram.range, since that is what their
// integers will cover.

// The range with the least squared error of quantizing, as far as a greedy search finds it: from the full
// range on, the end is cut whose next step of 1/100000 of the values is further away, until the error grows
// (torch's HistogramObserver; q-numerics(7)).
Range search_mse(const Histogram& histogram, const QuantSpec& spec);

// At most floor(count * (100 - percentile) / 100) values are outside (percentile counts to six digits behind
// the point): for affine schemes half of these, rounded down, at each end when both signs occur, else all of
// them at the end away from zero; for symmetric schemes those with the largest magnitudes. Only whole bins
// are cut. Throws unless 0 < percentile <= 100.
Range search_percentile(const Histogram& histogram, const QuantSpec& spec, double percentile);

// The magnitude t whose clipped values are the least divergent (Kullback and Leibler) from what is left of
// them after quantizing: TensorRT's calibration. P is the histogram of magnitudes below t with all greater
// ones put into its last bin. Q is the same without these, its bins dealt to as many levels as the scheme has
// for [0, t], and each level's count spread evenly over its bins that are not empty. Tried is every t at the
// edge of a bin, from as many bins as levels on, that clips at most one value in 100, and of equal
// divergences (to 1e-11, what rounding leaves of zero) the greatest t is taken. Without the bound values at
// few places are clipped to any one of them: the divergence sees in which bin a value lies, not how far it
// was moved, and it is 0 wherever each level has one place. A place that holds more than 1 % is kept
// therefore. The bin at zero counts as much as its neighbour (as in TinyNN), also in this share, so that
// zeros of a relu do not buy others the right to be clipped.
Range search_entropy(const Histogram& histogram, const QuantSpec& spec);

}  // namespace q
