// Softmax along rows of elements that lie at even steps.
#pragma once

#include <cstdint>

#include "q/op.h"

namespace q {

// `count` rows of `extent` elements, `step` apart.
struct SoftmaxRows {
  int64_t count, extent, step;
  int64_t start(int64_t row) const { return row / step * extent * step + row % step; }
};

// Of each row exp(x - max) * (1 / sum of exp(x - max)): exponentials in binary32, summed in binary64 in 16
// lanes by index and these by halves, the inverse narrowed and each product rounded once. A NaN makes its row
// NaN, and so does +inf.
Run compile_softmax_f32(const CompileCall& call, const SoftmaxRows& rows);
// The same between integers that are made real, and reals that are made integers. The exponentials are those
// of distances between integers, made in binary64.
Run compile_softmax_u8(const CompileCall& call, const SoftmaxRows& rows);
// The logarithms, x - max - log(sum of exp(x - max)): the same sums, all else in binary64.
Run compile_log_softmax_f32(const CompileCall& call, const SoftmaxRows& rows);
Run compile_log_softmax_u8(const CompileCall& call, const SoftmaxRows& rows);

}  // namespace q
