#include "passes/shared/pattern.h"

#include <cmath>

namespace q {

NodeId maker_of(Rewriter& rewriter, ValueId id, std::string_view op) {
  const NodeId maker = rewriter.producer(id);
  if (maker == kNone || rewriter.removed(maker)) return kNone;
  const Node& node = rewriter.node(maker);
  return node.op == op && !has_clamp(node) ? maker : kNone;
}

std::optional<double> number_of(const Rewriter& rewriter, ValueId id) {
  if (!rewriter.is_constant(id)) return std::nullopt;
  const Value& value = rewriter.value(id);
  if (value.type.dtype != DType::kF32 || elements(value.type.shape) != 1) return std::nullopt;
  return static_cast<double>(*value.constant().as<float>());
}

bool is_about(double a, double b) { return std::abs(a - b) <= 1e-5 * std::abs(b); }

std::optional<WithNumber> with_number(Rewriter& rewriter, ValueId id, std::string_view op) {
  const NodeId maker = maker_of(rewriter, id, op);
  if (maker == kNone) return std::nullopt;
  const std::vector<ValueId>& inputs = rewriter.node(maker).inputs;
  for (size_t i : {size_t{0}, size_t{1}})
    if (const std::optional<double> number = number_of(rewriter, inputs[i]))
      return WithNumber{inputs[1 - i], *number};
  return std::nullopt;
}

std::optional<WithNumber> scaled(Rewriter& rewriter, ValueId id) {
  if (const auto product = with_number(rewriter, id, "mul")) return product;
  const NodeId quotient = maker_of(rewriter, id, "div");
  if (quotient == kNone) return std::nullopt;
  const std::vector<ValueId>& inputs = rewriter.node(quotient).inputs;
  const std::optional<double> divisor = number_of(rewriter, inputs[1]);
  if (!divisor || *divisor == 0) return std::nullopt;
  return WithNumber{inputs[0], 1 / *divisor};
}

std::optional<ValueId> power(Rewriter& rewriter, ValueId id, int exponent) {
  if (exponent == 1) return id;
  if (const NodeId node = maker_of(rewriter, id, "pow_scalar"); node != kNone) {
    const Attrs attrs = complete_attrs(*find_op("pow_scalar"), rewriter.node(node).attrs);
    if (attr_float(attrs, "exponent") != exponent) return std::nullopt;
    return rewriter.node(node).inputs[0];
  }
  const NodeId product = maker_of(rewriter, id, "mul");
  if (product == kNone) return std::nullopt;
  const std::vector<ValueId> inputs = rewriter.node(product).inputs;
  for (size_t i : {size_t{0}, size_t{1}})
    if (const auto rest = power(rewriter, inputs[1 - i], exponent - 1); rest && *rest == inputs[i])
      return inputs[i];
  return std::nullopt;
}

bool has_shape_of(Rewriter& rewriter, NodeId id, ValueId x) {
  return rewriter.value(rewriter.node(id).outputs[0]).type.shape == rewriter.value(x).type.shape;
}

std::vector<ValueId> factors_of(Rewriter& rewriter, NodeId product) {
  std::vector<ValueId> out;
  for (ValueId input : rewriter.node(product).inputs) {
    const NodeId inner = maker_of(rewriter, input, "mul");
    if (inner == kNone || rewriter.sole_producer(input) != inner) {
      out.push_back(input);
      continue;
    }
    const std::vector<ValueId> factors = factors_of(rewriter, inner);
    out.insert(out.end(), factors.begin(), factors.end());
  }
  return out;
}

}  // namespace q
