// Decides from a recipe which nodes are quantized, which values that makes integers, and how each of those is
// observed.
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "passes/shared/rewrite.h"
#include "q/observer.h"
#include "q/recipe.h"

namespace q {

namespace {

// Beyond this many products of u8 by i8 a sum could leave int32.
constexpr int64_t kMaxProducts = INT32_MAX / (255 * 128);

class Placer {
 public:
  Placer(Graph graph, const Recipe& recipe, Changes& changes)
      : graph_(std::move(graph)), recipe_(recipe), changes_(changes), matched_(recipe.rules.size()) {}

  Graph apply() {
    sort_nodes(graph_);
    producer_ = producers(graph_);
    consumers_ = consumers(graph_);
    shares_.resize(graph_.values.size());
    std::iota(shares_.begin(), shares_.end(), 0);
    for (Value& value : graph_.values) {
      value.observation.reset();
      value.type.qparams.reset();
    }
    for (Node& node : graph_.nodes) {
      recipes_.push_back(resolve(recipe_, node, &matched_));
      node.float_reason = reason_to_stay_float(node, recipes_.back());
    }
    refuse_idle_rules();
    leave_followers_of_float();
    observe_activations();
    for (size_t i = 0; i < graph_.nodes.size(); ++i)
      if (is_quantized(static_cast<NodeId>(i))) observe_weights(graph_.nodes[i], recipes_[i]);
    report_islands(graph_, changes_);
    return std::move(graph_);
  }

 private:
  Value& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }
  const OpDef& op_of(NodeId id) const { return *find_op(graph_.nodes[static_cast<size_t>(id)].op); }
  bool is_quantized(NodeId id) const {
    return id != kNone && graph_.nodes[static_cast<size_t>(id)].float_reason.empty();
  }
  static bool follows(const OpDef& op) { return op.qrule == QRule::kAsInput; }

  std::string reason_to_stay_float(const Node& node, const NodeRecipe& recipe) {
    const OpDef& op = *find_op(node.op);
    if (!recipe.quantize) return std::string(kFloatByRecipe);
    if (op.takes_integers && op.indices != 0 && value(node.inputs[0]).type.dtype != DType::kF32)
      return std::string(kReadsIntegers);
    if (op.qrule == QRule::kFloat || !has_integer_form(op)) return text(node.op, " has no integer form");
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& input = value(node.inputs[i]);
      if (static_cast<int>(i) == op.indices) continue;
      if (is_parameter(op, i) && !input.constant) return text(input.name, " is computed, wanted a constant");
      if (op.unfit != nullptr && input.constant)
        if (const std::string reason = op.unfit(i, input.constant()); !reason.empty())
          return text(input.name, ": ", reason);
      if (input.type.dtype != DType::kF32)
        return text(input.name, " is ", name_of(input.type.dtype), ", wanted f32");
    }
    if (op.border != nullptr) {
      const std::optional<float> border = op.border(complete_attrs(op, node.attrs));
      if (border && !std::isfinite(*border))
        return text("its border of ", number(*border), " has no integer");
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!is_weight(op, i)) continue;
      const Shape& weight = value(node.inputs[i]).type.shape;
      const int64_t products = elements(weight) / weight[op.weight_axis];
      if (products > kMaxProducts) return text(products, " products per output could overflow int32");
    }
    return "";
  }

  void refuse_idle_rules() {
    for (size_t i = 0; i < matched_.size(); ++i)
      if (!matched_[i])
        throw Error(ErrorKind::kInvalid,
                    text(recipe_.rules[i].place, ": the rule matches no node of the model"));
  }

  // A node that only moves values is integer where its neighbours are: between float nodes it would add two
  // conversions.
  void leave_followers_of_float() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const NodeId id = static_cast<NodeId>(i);
      if (!is_quantized(id) || !follows(op_of(id))) continue;
      const ValueId data = graph_.nodes[i].inputs[data_input(op_of(id))];
      if (is_quantized(producer_[static_cast<size_t>(data)])) continue;
      if (!feeds_integers(id)) graph_.nodes[i].float_reason = "between float nodes";
    }
  }

  bool feeds_integers(NodeId id) const {
    for (ValueId output : graph_.nodes[static_cast<size_t>(id)].outputs)
      for (NodeId reader : consumers_[static_cast<size_t>(output)])
        if (is_quantized(reader) && (!follows(op_of(reader)) || feeds_integers(reader))) return true;
    return false;
  }

  // The nearest member that others were told to share with.
  ValueId root(ValueId id) const {
    while (shares_[static_cast<size_t>(id)] != id) id = shares_[static_cast<size_t>(id)];
    return id;
  }

  void observe_activations() {
    for (ValueId id : graph_.inputs) observe_for_readers(id);
    for (size_t i = 0; i < graph_.values.size(); ++i)
      if (graph_.values[i].constant) observe_for_readers(static_cast<ValueId>(i));
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const NodeId id = static_cast<NodeId>(i);
      leave_border_outside_fixed_range(graph_.nodes[i]);
      const std::span<const ValueId> outputs = graph_.nodes[i].outputs;
      const size_t integers = is_quantized(id) ? integer_outputs(graph_.nodes[i]).size() : 0;
      for (ValueId output : outputs.first(integers)) observe_output(graph_.nodes[i], recipes_[i], output);
      for (ValueId output : outputs.subspan(integers)) observe_for_readers(output);
    }
    // only now: a group's root may have been joined to another later
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const ValueId id = static_cast<ValueId>(i), shared = root(id);
      if (shared != id) value(id).observation->shares = value(shared).name;
    }
  }

  // Parameters that are fixed cannot make room for a border.
  void leave_border_outside_fixed_range(Node& node) {
    const OpDef& op = *find_op(node.op);
    const std::optional<QParams>& fixed = value(node.inputs[0]).type.qparams;
    if (op.border == nullptr || !node.float_reason.empty() || !fixed) return;
    const std::optional<float> border = op.border(complete_attrs(op, node.attrs));
    if (!border) return;
    const double step = fixed->scales[0], zero = fixed->zero_points[0];
    const double lo = (fixed->quant_min - zero) * step, hi = (fixed->quant_max - zero) * step;
    if (*border < lo || *border > hi + step)
      node.float_reason = text("its border of ", number(*border), " is outside the fixed range ", number(lo),
                               " to ", number(hi));
  }

  // A value that is float where it is made is observed when a quantized node reads it.
  void observe_for_readers(ValueId id) {
    for (NodeId reader : consumers_[static_cast<size_t>(id)]) {
      if (!is_quantized(reader)) continue;
      const Node& node = graph_.nodes[static_cast<size_t>(reader)];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] != id || !is_activation(op_of(reader), i)) continue;
        Observation observation = recipes_[static_cast<size_t>(reader)].activations;
        if (value(id).constant) {  // all its values are known
          observation.observer = "minmax";
          observation.method = "minmax";
        }
        value(id).observation = observation;
        return;
      }
    }
  }

  void observe_output(const Node& node, const NodeRecipe& recipe, ValueId output) {
    const OpDef& op = *find_op(node.op);
    Value& out = value(output);
    out.observation = recipe.activations;
    switch (op.qrule) {
      case QRule::kAsInput:
        share(output, node.inputs[data_input(op)]);
        break;
      case QRule::kShared:
        if (recipe.concat == Concat::kRequantize || !can_share(node, recipe)) break;
        if (recipe.concat == Concat::kAuto) {  // left to q-calibrate, which knows the ranges
          out.observation->observer.clear();
        } else {
          for (size_t i = 1; i < node.inputs.size(); ++i) join(node.inputs[i], node.inputs[0]);
          share(output, node.inputs[0]);
        }
        break;
      case QRule::kFixed:
        fix(out, op.fixed_lo, op.fixed_hi);
        break;
      case QRule::kObserved:
      case QRule::kFloat:
        break;
    }
  }

  // The output has the input's parameters and needs no record of its own.
  void share(ValueId output, ValueId input) {
    Value& out = value(output);
    const Value& in = value(input);
    out.observation->spec = in.observation->spec;
    out.observation->observer.clear();
    out.type.qparams = in.type.qparams;  // set where they are fixed
    shares_[static_cast<size_t>(output)] = root(input);
  }

  // Both keep their records, which q-calibrate merges.
  void join(ValueId a, ValueId b) {
    if (root(a) != root(b)) shares_[static_cast<size_t>(root(a))] = root(b);
  }

  bool can_share(const Node& node, const NodeRecipe& recipe) {
    for (ValueId id : node.inputs) {
      const Value& in = value(id);
      if (in.constant || in.type.qparams || in.observation->spec != recipe.activations.spec) return false;
    }
    return true;
  }

  // fixed_lo and the step above fixed_hi are the ends of the integer range (torch's FixedQParamsObserver).
  static void fix(Value& out, float lo, float hi) {
    const QuantSpec& spec = out.observation->spec;
    const double scale =
        (static_cast<double>(hi) - lo) / (static_cast<double>(spec.quant_max) - spec.quant_min + 1);
    const int32_t zero_point = spec.quant_min + static_cast<int32_t>(-lo / scale);
    out.type.qparams = QParams{spec.scheme, 0, spec.quant_min, spec.quant_max, {scale}, {zero_point}};
    out.observation->observer.clear();
    out.observation->method = "fixed";
  }

  void observe_weights(const Node& node, const NodeRecipe& recipe) {
    const OpDef& op = *find_op(node.op);
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (is_weight(op, i)) observe_weight(node, recipe, op.weight_axis, value(node.inputs[i]));
  }

  void observe_weight(const Node& node, const NodeRecipe& recipe, int axis, Value& weight) {
    Observation observation = recipe.weights;
    observation.spec.axis = is_per_channel(observation.spec.scheme) ? axis : 0;
    if (weight.observation && *weight.observation != observation)
      throw Error(ErrorKind::kInvalid, text("/graph/", node.name, " (", node.op, "): the recipe quantizes ",
                                            weight.name, " otherwise than for another node that reads it"));
    weight.observation = observation;
  }

  Graph graph_;
  const Recipe& recipe_;
  Changes& changes_;
  std::vector<bool> matched_;
  std::vector<NodeId> producer_;
  std::vector<std::vector<NodeId>> consumers_;
  std::vector<NodeRecipe> recipes_;
  std::vector<ValueId> shares_;
};

Graph apply(Graph graph, const PassContext& context, Changes& changes) {
  return Placer(std::move(graph), *context.recipe, changes).apply();
}

}  // namespace

extern const PassDef pass_place_observers;
constinit const PassDef pass_place_observers = {"place_observers",
                                                "decide what is quantized and how it is observed", apply};

}  // namespace q
