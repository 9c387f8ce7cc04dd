// A float node between dequantize and quantize nodes, as files with QuantizeLinear and DequantizeLinear have
// them, works on the integers themselves.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "passes/shared/rewrite.h"
#include "q/quant.h"

namespace q {

namespace {

class Fuser {
 public:
  Fuser(Graph graph, Changes& changes) : graph_(std::move(graph)), changes_(changes) {}

  Graph apply() {
    sort_nodes(graph_);
    producer_ = producers(graph_);
    readers_ = consumers(graph_);
    if (std::ranges::none_of(graph_.nodes, [](const Node& node) { return node.op == "dequantize"; }))
      return std::move(graph_);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) requantize(graph_.nodes[i]);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      Node& node = graph_.nodes[i];
      const OpDef& op = *find_op(node.op);
      if (op.qrule == QRule::kFloat) continue;
      node.float_reason = reason_to_stay_float(node, op);
      if (node.float_reason.empty()) make_integer(node, op);
    }
    remove_unused(graph_);
    report_islands(graph_, changes_);
    return std::move(graph_);
  }

 private:
  Value& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }

  // The integers that a dequantize node makes the value of; kNone when none does.
  ValueId integers_of(ValueId id) const {
    const NodeId maker = producer_[static_cast<size_t>(id)];
    if (maker == kNone || graph_.nodes[static_cast<size_t>(maker)].op != "dequantize") return kNone;
    return graph_.nodes[static_cast<size_t>(maker)].inputs[0];
  }

  // The value that quantize nodes, and nobody else, make of this one, all of the same type; kNone else.
  ValueId quantized_of(ValueId id) {
    const std::vector<NodeId>& readers = readers_[static_cast<size_t>(id)];
    if (readers.empty() || std::ranges::find(graph_.outputs, id) != graph_.outputs.end()) return kNone;
    const auto made = [&](NodeId reader) { return graph_.nodes[static_cast<size_t>(reader)].outputs[0]; };
    for (NodeId reader : readers)
      if (graph_.nodes[static_cast<size_t>(reader)].op != "quantize" ||
          value(made(reader)).type != value(made(readers[0])).type)
        return kNone;
    return made(readers[0]);
  }

  // From integers to integers of another scale there is no need for reals.
  void requantize(Node& node) {
    if (node.op != "quantize") return;
    const ValueId integers = integers_of(node.inputs[0]);
    if (integers == kNone) return;
    std::erase(readers_[static_cast<size_t>(node.inputs[0])], node_id(node));
    readers_[static_cast<size_t>(integers)].push_back(node_id(node));
    node.inputs[0] = integers;
  }

  NodeId node_id(const Node& node) const { return static_cast<NodeId>(&node - graph_.nodes.data()); }

  std::string reason_to_stay_float(const Node& node, const OpDef& op) {
    if (!has_integer_form(op)) return text(node.op, " has no integer form");
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& input = value(node.inputs[i]);
      if (static_cast<int>(i) == op.indices || is_known_parameter(op, i, input)) continue;
      if (input.constant ? !input.type.qparams : integers_of(node.inputs[i]) == kNone)
        return text(input.name, " has no scale in the file");
      if (is_parameter(op, i) && !input.constant) return text(input.name, " is computed, wanted a constant");
    }
    for (ValueId output : integer_outputs(node)) {
      const ValueId made = quantized_of(output);
      if (made == kNone) return text(value(output).name, " is not quantized by all who read it");
      if (op.qrule == QRule::kAsInput &&
          value(made).type.qparams != value(integers_of(node.inputs[data_input(op)])).type.qparams)
        return text(value(output).name, " has another scale than ", value(node.inputs[0]).name);
    }
    return "";
  }

  // A bias, or a parameter that stays float32.
  static bool is_known_parameter(const OpDef& op, size_t index, const Value& input) {
    return is_parameter(op, index) && !is_weight(op, index) && input.constant;
  }

  void make_integer(Node& node, const OpDef& op) {
    double input_scale = 1;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      Value& input = value(node.inputs[i]);
      if (input.constant || static_cast<int>(i) == op.indices) continue;
      node.inputs[i] = integers_of(node.inputs[i]);
      if (i == 0) input_scale = value(node.inputs[i]).type.qparams->scales[0];
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (!value(id).constant || (is_parameter(op, i) && !is_weight(op, i))) continue;
      node.inputs[i] = add_constant(id, DType::kI8, [constant = value(id).constant, type = value(id).type] {
        return quantize(constant().view(), DType::kI8, *type.qparams);
      });
    }
    if (op.bias != kNone && std::cmp_greater(node.inputs.size(), op.bias))
      convert_bias(node, op, input_scale);
    for (ValueId& output : std::span(node.outputs).first(integer_outputs(node).size())) take_output(output);
    changes_.push_back({"integers", node.name, text(node.op, " works on integers")});
  }

  void convert_bias(Node& node, const OpDef& op, double input_scale) {
    ValueId& bias = node.inputs[static_cast<size_t>(op.bias)];
    const QParams& weight = *value(node.inputs[static_cast<size_t>(op.weight)]).type.qparams;
    int64_t saturated = 0;
    Tensor made = quantize_bias(value(bias).constant().view(), input_scale, weight, &saturated);
    if (saturated > 0)
      changes_.push_back({"saturated bias", node.name,
                          text(saturated, " channels of ", value(bias).name, " do not fit in int32"), true});
    const std::string name = unique_value_name(graph_, value(bias).name + ".quantized");
    TensorType type = made.type;
    bias = add_value(graph_, {name, std::move(type), std::nullopt, constant_of(std::move(made))});
  }

  ValueId add_constant(ValueId from, DType dtype, Constant constant) {
    const std::string name = unique_value_name(graph_, value(from).name + ".quantized");
    TensorType type = value(from).type;
    type.dtype = dtype;
    return add_value(graph_, {name, std::move(type), std::nullopt, std::move(constant)});
  }

  // The node makes the integers itself, for all who read what quantize nodes made of its output.
  void take_output(ValueId& output) {
    const ValueId integers = quantized_of(output);
    for (NodeId quantizer : readers_[static_cast<size_t>(output)]) {
      Node& gone = graph_.nodes[static_cast<size_t>(quantizer)];
      if (gone.outputs[0] != integers) redirect(gone.outputs[0], integers);
      const std::string name = unique_value_name(graph_, value(integers).name + ".unused");
      gone.outputs[0] = add_value(graph_, {name, value(integers).type, std::nullopt, {}});
    }
    output = integers;
  }

  void redirect(ValueId from, ValueId to) {
    for (NodeId reader : readers_[static_cast<size_t>(from)])
      for (ValueId& input : graph_.nodes[static_cast<size_t>(reader)].inputs)
        if (input == from) input = to;
    for (ValueId& output : graph_.outputs)
      if (output == from) output = to;
  }

  Graph graph_;
  Changes& changes_;
  std::vector<NodeId> producer_;
  std::vector<std::vector<NodeId>> readers_;
};

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  return Fuser(std::move(graph), changes).apply();
}

}  // namespace

extern const PassDef pass_fuse_quantized;
constinit const PassDef pass_fuse_quantized = {
    "fuse_quantized", "compute on integers between dequantize and quantize nodes", apply};

}  // namespace q
