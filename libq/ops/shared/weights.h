// The constants of weighted operators: what their kernels add up, and what becomes of the sums.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "q/op.h"
#include "q/tensor.h"

namespace q {

// What belongs to activations of type T.
template <typename T>
struct WeightedTypes;
template <>
struct WeightedTypes<uint8_t> {
  using Weight = int8_t;
  using Bias = int32_t;
  using Out = U8Output;
  using Gemm = GemmU8I8;
  using RealOut = RealOutput;
  using RealGemm = GemmU8I8Real;
  using Depthwise = DepthwiseU8I8;
  static constexpr int64_t kStep = 4;  // elements of k that lie side by side in packed weights
};
template <>
struct WeightedTypes<float> {
  using Weight = float;
  using Bias = float;
  using Out = F32Output;
  using Gemm = GemmF32;
  using RealOut = F32Output;
  using RealGemm = GemmF32;
  using Depthwise = DepthwiseF32;
  static constexpr int64_t kStep = 1;
};

// Weights of shape [groups * columns, k, taps...], as PyTorch and ONNX have them: `columns` output channels
// of a group are sums over k input channels and all taps.
struct WeightsShape {
  int64_t groups = 1, columns = 0, k = 0, taps = 1;
};

template <typename T>
struct Weights {
  using Weight = typename WeightedTypes<T>::Weight;
  WeightsShape shape;
  std::span<const Weight> values{};  // the constant itself where it can be, else what `own` holds
  std::shared_ptr<const std::vector<Weight>> own{};
  std::vector<typename WeightedTypes<T>::Bias> bias{};  // per output channel
  std::vector<float> multiplier{};                      // per output channel; empty for float
  std::vector<float> offset{};                          // per output channel, of reals made of integers
  typename WeightedTypes<T>::Out out{};                 // limits and zero point; its arrays are not set
  T padding{};                                          // the activation that means 0

  void set(std::vector<Weight> rearranged) {
    own = std::make_shared<const std::vector<Weight>>(std::move(rearranged));
    values = *own;
  }
};

// The constants of an operator with inputs x, weight and perhaps bias and attributes min and max, for
// activations of type T. Throws unless weight and bias are constant and all have the element types of that
// form: f32, or u8, i8, i32 and u8. For u8 they are such that sums of raw u8 with i8 weights become,
// requantized, exactly
//   clamp(zo + rint(f32(bias + sum of (qx - zx) * (qw - zw)) * m), lo, hi),  m = f32: (sw * sx) * (1 / so)
// The zero point of x goes into the bias, that of the weights into the weights: where qw - zw leaves i8 for
// some, all are split into parts that do not, and each part takes its own taps (those of the result are parts
// * shape.taps). A saturated bias yields as much as is needed to keep every possible sum in int32; any other
// sum that could leave it is an error.
// The constants must live as long as the result.
template <typename T>
Weights<T> weights_of(const CompileCall& call, const WeightsShape& shape);
template <>
Weights<float> weights_of(const CompileCall& call, const WeightsShape& shape);
template <>
Weights<uint8_t> weights_of(const CompileCall& call, const WeightsShape& shape);

// Narrow groups: several become one, with zeros where an output does not see an input. Floats stay as they
// are: zero times infinity is not zero.
inline void merge_groups(Weights<float>&) {}
void merge_groups(Weights<uint8_t>& weights);

// The constants of sums over rows of an operand x that shall be reals, for weights [columns, k]: in float
//   offset[c] + sum of x * w,  one fused multiply-add for each step
// and for u8 with i8 weights, the sum being exact,
//   f32(sum of (qx - zx) * (qw - zw)) * f32(sw * sx) + offset[c]
// Throws as weights_of does. The constants must live as long as the result.
template <typename T>
Weights<T> real_weights(const TensorType& x, const TensorType& weight, const View& values,
                        std::vector<float> offset);
template <>
Weights<float> real_weights(const TensorType& x, const TensorType& weight, const View& values,
                            std::vector<float> offset);
template <>
Weights<uint8_t> real_weights(const TensorType& x, const TensorType& weight, const View& values,
                              std::vector<float> offset);
// Those of the output channels first to first + count, of a single group.
template <typename T>
Weights<T> channels_of(const Weights<T>& weights, int64_t first, int64_t count);

template <typename E>
inline constexpr DType dtype_of = DType::kF32;
template <>
inline constexpr DType dtype_of<int8_t> = DType::kI8;
template <>
inline constexpr DType dtype_of<uint8_t> = DType::kU8;
template <>
inline constexpr DType dtype_of<int32_t> = DType::kI32;

// A row of `elements` times `value`.
template <typename E>
Tensor constant_row(int64_t elements, E value) {
  Tensor row = make_tensor(dtype_of<E>, Shape{elements});
  std::fill_n(row.as<E>(), elements, value);
  return row;
}

// One value per output channel, [groups][columns], as [groups][padded_columns] with zeros at the end. Empty
// when there are none.
template <typename E>
Tensor per_column(const std::vector<E>& values, const WeightsShape& shape, int64_t padded_columns) {
  if (values.empty()) return {};
  Tensor out = make_tensor(dtype_of<E>, Shape{shape.groups, padded_columns});
  for (int64_t g = 0; g < shape.groups; ++g)
    std::copy_n(values.begin() + g * shape.columns, shape.columns, out.as<E>() + g * padded_columns);
  return out;
}

// Throws unless min <= max.
void check_clamp(const Attrs& attrs);
// Throws unless the bias, the third input if there is one, has the extent `channels`.
void check_bias(std::span<const TensorType> in, int64_t channels);
// Multiply-adds of an output of this shape, a free extent counting for one sample. Throws when they overflow.
int64_t count_macs(const Shape& out, int64_t per_element);

// Input `input` of an ONNX node, called `what` in messages. Throws unless it is a float32 constant.
const Tensor& onnx_constant(const OnnxNode& node, size_t input, std::string_view what);
// A third input that is left out is not used.
void drop_absent_bias(OnnxNode& node);

}  // namespace q
