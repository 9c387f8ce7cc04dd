// Which axis holds the samples, and whether an operator keeps them apart.
// The samples of a batch of N lie side by side along the one axis of a tensor whose extent is free, -k: k * N
// of them, k for each sample. A tensor without such an axis is the same for all samples.
#pragma once

#include <span>
#include <string>

#include "q/op.h"
#include "q/tensor.h"

namespace q {

// The error of a node that computes something from more than one sample; what: "softmax over axis 0".
Error mixes_samples(const std::string& what);

// Throws, without place, unless at most one extent of the shape is free.
void check_one_free(const Shape& shape);
// Throws, without place, unless the samples of the inputs, if there are any, stay apart in every output: the
// operator says so, and the outputs have their axis. out: what infer gives for `in`.
Q_API void check_samples(const OpDef& op, const Attrs& attrs, std::span<const TensorType> in,
                         std::span<const Shape> out);

// ---- what operators say in OpDef::samples ----

// Each element from those at its own place, or the shapes that infer accepts leave no other choice.
void samples_anywhere(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
// The elements keep their row-major order: what stands before the axis of the samples must be as much before
// and after.
void samples_in_order(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
// A window over the axes from the third on.
void samples_beside_window(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
// The inputs from the second on are parameters, the same for all samples.
void check_parameters(std::span<const TensorType> in);

}  // namespace q
