// Integers that a model computes from shapes: vectors of extents, in which the number of samples is not yet
// known.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "q/op.h"
#include "q/tensor.h"

namespace q {

struct Extent {
  int64_t value = 0;
  bool per_sample = false;  // so many for each sample
};

// An i64 tensor of rank 1, or 0 if is_scalar.
struct IntVector {
  std::vector<Extent> extents;
  bool is_scalar = false;
};

// The tensor as a vector; nothing unless it is i64 of rank 0 or 1.
std::optional<IntVector> int_vector_of(const Tensor& tensor);
// True when the number of samples is in it.
bool counts_samples(const IntVector& vector);
// Precondition: !counts_samples(vector).
Tensor tensor_of(const IntVector& vector);

// What is known of an input: its shape, and its integers if they are; both null for one that is left out.
struct ShapeInput {
  const Shape* shape = nullptr;
  const IntVector* ints = nullptr;
};

// True for ONNX types that evaluate_shape knows.
bool is_shape_type(std::string_view type);
// The node's output if it is computed from shapes and integers alone; nothing when it is not of that sort.
// Throws, without place, when it does with the number of samples what cannot be done with an unknown one.
std::optional<std::variant<IntVector, Tensor>> evaluate_shape(const OnnxNode& node,
                                                              std::span<const ShapeInput> in);

// The vector for one sample. Throws where several are counted for each.
IntVector of_one_sample(IntVector vector);
// The vector with extents that count samples as shapes have them: kFree, or a multiple of it.
Tensor free_extents(const IntVector& vector);
// The shape of an ONNX Reshape of an input of this shape, with -1 (what remains) where it counts samples.
// Throws when they are counted twice, or the elements do not fit.
Tensor reshape_target(const IntVector& target, const Shape& input);

}  // namespace q
