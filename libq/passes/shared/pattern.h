// Recognising an operator that a model writes as several nodes: steps from a value back to what computes it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "passes/shared/rewrite.h"

namespace q {

// The node of that operator, without limits of its own, that computes the value; kNone when another does.
NodeId maker_of(Rewriter& rewriter, ValueId id, std::string_view op);
// The one number a float32 constant holds, whatever its shape; nothing for other values.
std::optional<double> number_of(const Rewriter& rewriter, ValueId id);
// True when the numbers are the same but for what float32 and a printed constant leave out.
bool is_about(double a, double b);

// A node of two inputs, one of which is a constant number.
struct WithNumber {
  ValueId other;
  double number;
};
// Of what computes the value: op(x, number) or op(number, x).
std::optional<WithNumber> with_number(Rewriter& rewriter, ValueId id, std::string_view op);
// x of x * number or of x / number, as a factor.
std::optional<WithNumber> scaled(Rewriter& rewriter, ValueId id);
// x of x to that power, as pow_scalar or as products of x with itself.
std::optional<ValueId> power(Rewriter& rewriter, ValueId id, int exponent);

// True when the node's output has the shape of that value: no constant has broadcast it.
bool has_shape_of(Rewriter& rewriter, NodeId id, ValueId x);
// The factors of a product of products, each read by nobody else.
std::vector<ValueId> factors_of(Rewriter& rewriter, NodeId product);

}  // namespace q
