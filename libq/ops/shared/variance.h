// The variance of the elements of each output: two folds, the mean and then the squares of what differs from
// it, divided by their number less `correction`, which is 1 for an unbiased estimate.
#pragma once

#include "base/text.h"
#include "ops/shared/reduce.h"

namespace q {

inline constexpr AttrSpec kVarianceAttrs[] = {
    kReduceAttrs[0],
    kReduceAttrs[1],
    {"correction", "what is taken from the number of elements to divide by", AttrKind::kFloat, "1"},
};

// PyTorch gives NaN or infinity where nothing is left to divide by; here it is an error.
inline std::vector<Shape> infer_variance(const Attrs& attrs, std::span<const TensorType> in) {
  std::vector<Shape> out = infer_reduce(attrs, in);
  const int64_t terms = reduced_elements(attrs, in[0].shape);
  const double correction = attr_float(attrs, "correction");
  if (!is_free(terms) && !(static_cast<double>(terms) > correction))
    throw Error(ErrorKind::kInvalid,
                text("attribute correction is ", number(correction), ", input is ", to_string(in[0].shape),
                     ", wanted less than the ", terms, " elements of a result"));
  return out;
}

struct Variance {
  double correction;

  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(SumOf{[](double x, double) { return x; }}, y);
    for (int64_t i = 0; i < block.outputs(); ++i) y[i] /= block.terms();
    block.fold(SumOf{[](double x, double mean) { return (x - mean) * (x - mean); }}, y, y);
    const double divisor = block.terms() - correction;
    for (int64_t i = 0; i < block.outputs(); ++i) y[i] /= divisor;
  }
};

}  // namespace q
