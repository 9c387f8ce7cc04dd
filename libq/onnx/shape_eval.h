// Integers that a model computes from shapes: vectors of extents, in which the batch stands for a number not
// yet known.
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
  bool is_batch = false;  // the free extent; `value` means nothing
};

// An i64 tensor of rank 1, or 0 if is_scalar.
struct IntVector {
  std::vector<Extent> extents;
  bool is_scalar = false;
};

// The tensor as a vector; nothing unless it is i64 of rank 0 or 1.
std::optional<IntVector> int_vector_of(const Tensor& tensor);
bool has_batch(const IntVector& vector);
// Precondition: !has_batch(vector).
Tensor tensor_of(const IntVector& vector);

// What is known of an input: its shape, and its integers if they are; both null for one that is left out.
struct ShapeInput {
  const Shape* shape = nullptr;
  const IntVector* ints = nullptr;
};

// True for ONNX types that evaluate_shape knows.
bool is_shape_type(std::string_view type);
// The node's output if it is computed from shapes and integers alone; nothing when it is not of that sort.
// Throws, without place, when it does with the batch what cannot be done with an unknown number.
std::optional<std::variant<IntVector, Tensor>> evaluate_shape(const OnnxNode& node,
                                                              std::span<const ShapeInput> in);

// The shape of an ONNX Reshape of an input of this shape, with 0 (as in the input) where it names the batch.
// Throws when the batch is not the first extent of both.
Tensor reshape_target(const IntVector& target, const Shape& input);

}  // namespace q
