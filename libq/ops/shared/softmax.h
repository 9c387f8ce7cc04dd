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

// The rows along the attribute `axis`.
SoftmaxRows softmax_along_axis(const CompileCall& call);
// Those over that axis and all behind it, which are one in row-major order.
SoftmaxRows softmax_over_axes(const CompileCall& call);
// ONNX's Softmax or LogSoftmax along one axis. Until opset 12 it is over an axis and all behind it: true
// where only one of them has more than an element.
bool map_onnx_softmax(OnnxNode& node);
// The same where more of them have.
bool map_onnx_flat_softmax(OnnxNode& node);

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
