// One node computed on constants: what folding needs, without a graph.
#pragma once

#include <span>
#include <vector>

#include "q/op.h"
#include "q/tensor.h"

namespace q {

// The shape with leading extents of 1 up to that rank, as numpy aligns operands and elementwise operators
// expect them.
Shape unsqueezed(const Shape& shape, int rank);
// True when the operator can be computed here: it has a float form and does not need another order of storage
// than row-major.
Q_API bool can_evaluate(const OpDef& op, int rank);
// The outputs of the operator's float form on these row-major tensors of float32, or of integers where it
// takes them. attrs complete. Throws what the operator throws. Precondition: can_evaluate.
Q_API std::vector<Tensor> evaluate(const OpDef& op, const Attrs& attrs, std::span<const Tensor> in);

// False when an element of a float32 tensor is NaN or infinity; others are finite.
Q_API bool all_finite(const Tensor& tensor);

}  // namespace q
