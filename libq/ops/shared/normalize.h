// Normalization: groups of elements that lie side by side are moved to mean 0 and variance 1, then scaled and
// shifted by parameters.
//   y = (x - mean) / sqrt(var + epsilon) * weight + bias, mean and var (divided by n) being those of the
//   group
// Sums are binary64 in 16 lanes: lane i has elements i, i + 16, …, and the lanes are added as a tree. What is
// left is binary64 up to the product with 1 / sqrt(var + epsilon), which is narrowed, and binary32 from
// there.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "q/op.h"

namespace q {

// Groups of n elements.
struct GroupPlan {
  int64_t groups = 1, n = 1;
  int64_t parameters = 1;     // groups begin again with the first one when all are used
  int64_t per_parameter = 0;  // elements side by side that share one; 0: each of the n has its own
  bool centers = true;        // false: mean is 0, and the variance the mean of the squares
  double epsilon = 1e-5;
};

// Inputs x, weight and bias: the last one, or both, may be left out.
Run compile_normalize_f32(const CompileCall& call, const GroupPlan& plan);
// On integers the sums are exact: mean and var are those of q, in binary64;
//   k = s / sqrt(var * s^2 + epsilon),  y = Q(f32: (q - mean) * k * weight + bias)
// Where elements share a weight, k * weight is taken first.
Run compile_normalize_u8(const CompileCall& call, const GroupPlan& plan);

// ---- over the attribute `axis` and all axes behind it ----

// The shape of the input. Throws unless the parameters have the extents of these axes.
std::vector<Shape> infer_normalize(const Attrs& attrs, std::span<const TensorType> in);
void samples_beside_normalized(const Attrs& attrs, std::span<const TensorType> in,
                               std::span<const Shape> out);
// A group for each place on the axes before.
GroupPlan normalize_over_axes(const CompileCall& call, bool centers);

// ---- over any ----

// Throws unless the parameters have this shape.
void check_parameter_shapes(std::span<const TensorType> in, const Shape& wanted);
// Statistics of channels (axis 1) over the axes behind them: only axis 0 may hold the samples.
void samples_beside_channels(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
// Takes stash_type, the type ONNX computes in, away. Throws unless it is float.
void take_stash_type(OnnxNode& node);

}  // namespace q
