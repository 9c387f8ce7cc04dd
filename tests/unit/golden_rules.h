// The normative integer rules of q-numerics(7) written out element by element, without any of libq's
// arithmetic: where PyTorch's engines differ, these say what libq gives.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "q/tensor.h"

namespace q {

// A window over the last axes of an image; axes in front that the image lacks have extent 1.
struct GoldenWindow {
  using Axes = std::array<int64_t, 3>;
  Axes kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};
  bool transposed = false;  // spreads what lies under it instead of gathering it
};

// The integers of any tensor.
std::vector<int64_t> integers_of(const Tensor& tensor);

// conv, transposed or not, and linear: clamp(zo + rint(f32: f32(bias + sum of (qx - zx) * (qw - zw)) * m))
// with m = f32: (sw * sx) * (1 / so) and bias = rint(f32: b * (1 / f32(sw * sx))), clamped below at zo when
// relu. x [N, C, spatial...], weight [O, C / groups, spatial...], transposed [C, O / groups, spatial...],
// bias f32 [O] or null. The window's kernel is the weight's.
std::vector<int64_t> weighted_by_rule(const Tensor& x, const Tensor& weight, const Tensor* bias,
                                      const GoldenWindow& window, int64_t groups, bool relu,
                                      const TensorType& out);

// The mean under the window of one element of the output: sum / divisor, exactly.
struct GoldenMean {
  int64_t sum;  // of q - z
  int64_t divisor;
  // Whether it lies in the middle between two integers: there, and only there, ways to round differ.
  bool is_tie() const;
};
std::vector<GoldenMean> means_of(const Tensor& x, const GoldenWindow& window, bool count_include_pad,
                                 const Shape& out);
// Windows that divide the image into as many parts as the output has elements.
std::vector<GoldenMean> adaptive_means_of(const Tensor& x, const Shape& out);
// avg_pool: clamp(z + rint(f32: f32(sum) * (1 / divisor))); adaptive_avg_pool: with 1 / (1 / (1 /
// divisor)).
std::vector<int64_t> averages_by_rule(const std::vector<GoldenMean>& means, bool adaptive,
                                      const TensorType& out);

// max_pool: the greatest integer under each window; padding takes no part.
std::vector<int64_t> maxima_by_rule(const Tensor& x, const GoldenWindow& window, const Shape& out);

}  // namespace q
