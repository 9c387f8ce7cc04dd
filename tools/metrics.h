// How far one tensor is from another, summed up over any number of batches.
#pragma once

#include <cstdint>
#include <vector>

#include "q/tensor.h"

namespace q {

// Sums over pairs of elements, in binary64 and in the order of the elements, so that the batch size does not
// show.
struct Difference {
  int64_t count = 0;
  double reference_squares = 0, actual_squares = 0, products = 0, error_squares = 0, errors = 0,
         max_error = 0;

  void add(const float* reference, const float* actual, int64_t elements);
};

// 10 log10(sum x^2 / sum (x - y)^2) in dB: infinite for equal tensors, -infinite for a reference of zeros.
double sqnr_db(const Difference& difference);
// x . y / max(|x| |y|, 1e-8)
double cosine(const Difference& difference);
double mean_error(const Difference& difference);

// The values a view means, as f32: integers dequantized (or as plain numbers when they have no scale).
Tensor reals(View view);
// Per row of [N, C] the column of the largest value, the first of equals; NaN is smaller than anything.
std::vector<int64_t> top1(const float* values, int64_t rows, int64_t columns);

}  // namespace q
