// Products of two activations, matrices or batches of them: the second operand is packed in every run, unless
// it is constant.
//   y[..., r, c] = clamp(bias[c] + sum over i of a[..., r, i] * (alpha * b[..., i, c]), min, max)
// A float sum starts from the bias and adds a fused product for each i in order. A sum of integers is exact;
// where one could leave int32, floats are summed instead.
#pragma once

#include <cstdint>
#include <span>

#include "q/op.h"
#include "q/tensor.h"

namespace q {

// a: matrices m x k, b: matrices k x n, after transposing; how many there are, broadcast as numpy does. A
// vector is a row on the left and a column on the right, which the output has not.
struct ProductShape {
  int64_t m = 1, k = 1, n = 1;
  Shape a_batch{}, b_batch{}, batch{};
  bool has_rows = true, has_columns = true;  // of the output
};
// Of two operands and the attributes trans_a and trans_b. Throws when they do not fit.
ProductShape product_shape(const Attrs& attrs, std::span<const TensorType> in);

// Activations of type T, float or uint8_t; attributes alpha, trans_a, trans_b, min and max, and perhaps a
// constant bias.
template <typename T>
Run compile_product(const CompileCall& call);

}  // namespace q
