// Makes integers of everything that has quantization parameters: weights and biases, the types of values, and
// the quantize and dequantize nodes at the borders of float islands.
#include <algorithm>

#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

class Converter {
 public:
  Converter(Graph graph, Changes& changes) : graph_(std::move(graph)), changes_(changes) {}

  Graph apply() {
    sort_nodes(graph_);
    check_is_calibrated();
    const std::vector<NodeId> producer = producers(graph_);
    readers_ = consumers(graph_);
    // values and nodes made on the way need no visit
    const size_t value_count = graph_.values.size(), node_count = graph_.nodes.size();
    for (size_t i = 0; i < node_count; ++i)
      if (is_quantized(i)) convert_parameters(i);
    for (size_t i = 0; i < value_count; ++i) {
      const ValueId id = static_cast<ValueId>(i);
      if (!value(id).observation || is_weight_[i]) continue;
      if (value(id).constant)
        quantize_constant(id, readers_[i]);
      else if (producer[i] != kNone && makes_integers(producer[i], id))
        make_integer(id, producer[i], readers_[i]);
      else
        add_quantize(id, readers_[i]);
    }
    for (Value& each : graph_.values) each.observation.reset();
    sort_nodes(graph_);
    remove_unused(graph_);
    return std::move(graph_);
  }

 private:
  Value& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }
  bool is_quantized(size_t node) const { return graph_.nodes[node].float_reason.empty(); }

  // What a quantized node makes that stays real, such as positions, its readers quantize.
  bool makes_integers(NodeId producer, ValueId id) const {
    const size_t node = static_cast<size_t>(producer);
    return is_quantized(node) && std::ranges::count(integer_outputs(graph_.nodes[node]), id) > 0;
  }

  void check_is_calibrated() {
    is_weight_.resize(graph_.values.size());
    bool any = false;
    for (const Value& each : graph_.values) {
      if (!each.observation) continue;
      any = true;
      if (!each.type.qparams)
        throw Error(ErrorKind::kInvalid,
                    text("/values/", each.name, ": has no scale: run q-calibrate first"));
    }
    const auto stays_float = [](const Node& node) { return !node.float_reason.empty(); };
    if (!any && !graph_.nodes.empty() && std::ranges::all_of(graph_.nodes, stays_float))
      changes_.push_back({"nothing to quantize", "", "all nodes stay float", true});
    else if (!any)
      throw Error(ErrorKind::kInvalid, "no ranges: run q-observe and q-calibrate first");
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is_quantized(i)) continue;
      const std::span<const ValueId> outputs = integer_outputs(graph_.nodes[i]);
      for (ValueId output : outputs)
        if (!value(output).type.qparams)
          throw Error(ErrorKind::kInvalid,
                      text("/values/", value(output).name, ": has no scale: run q-calibrate first"));
    }
  }

  static Constant quantized(const Constant& constant, DType dtype, const QParams& qparams) {
    return [=] { return quantize(constant().view(), dtype, qparams); };
  }

  // The constant as integers for quantized readers; float ones keep theirs.
  void quantize_constant(ValueId id, const std::vector<NodeId>& readers) {
    const Value old = value(id);
    const DType dtype = old.observation->spec.dtype;
    const auto reads_floats = [&](NodeId reader) { return !is_quantized(static_cast<size_t>(reader)); };
    ValueId integers = id;
    if (std::any_of(readers.begin(), readers.end(), reads_floats)) {
      integers =
          add_value(graph_, {unique_value_name(graph_, old.name + ".quantized"), old.type, std::nullopt, {}});
      value(id).type.qparams.reset();
      for (NodeId reader : readers)
        if (!reads_floats(reader)) redirect(reader, id, integers);
    }
    value(integers).constant = quantized(old.constant, dtype, *old.type.qparams);
    value(integers).type.dtype = dtype;
  }

  void convert_parameters(size_t index) {
    const OpDef& op = *find_op(graph_.nodes[index].op);
    if (op.weight == kNone) return;
    for (size_t i = 0; i < graph_.nodes[index].inputs.size(); ++i) {
      const ValueId weight = graph_.nodes[index].inputs[i];
      // else shared with a node before, and done
      if (!is_weight(op, i) || value(weight).type.dtype != DType::kF32) continue;
      is_weight_[static_cast<size_t>(weight)] = true;
      quantize_constant(weight, readers_[static_cast<size_t>(weight)]);
    }
    if (op.bias != kNone && graph_.nodes[index].inputs.size() > static_cast<size_t>(op.bias))
      convert_bias(index, op);
  }

  void convert_bias(size_t index, const OpDef& op) {
    Node& node = graph_.nodes[index];
    const double input_scale = value(node.inputs[0]).type.qparams->scales[0];
    const Value weight = value(node.inputs[static_cast<size_t>(op.weight)]);
    const ValueId old = node.inputs[static_cast<size_t>(op.bias)];
    int64_t saturated = 0;
    Tensor bias = quantize_bias(value(old).constant().view(), input_scale, *weight.type.qparams, &saturated);
    if (saturated > 0)
      changes_.push_back({"saturated bias", node.name,
                          text(saturated, " channels of ", value(old).name, " do not fit in int32"), true});
    TensorType type = bias.type;
    const bool is_shared =
        std::count_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& other) {
          return std::find(other.inputs.begin(), other.inputs.end(), old) != other.inputs.end();
        }) > 1;
    if (is_shared) {  // each reader has its own scale
      const std::string name = unique_value_name(graph_, value(old).name);
      graph_.nodes[index].inputs[static_cast<size_t>(op.bias)] =
          add_value(graph_, {name, std::move(type), std::nullopt, constant_of(std::move(bias))});
    } else {
      value(old).type = std::move(type);
      value(old).constant = constant_of(std::move(bias));
    }
  }

  ValueId add_conversion(std::string_view op, ValueId from, std::string name, TensorType type) {
    name = unique_value_name(graph_, name);
    Node node;
    node.op = op;
    node.name = unique_node_name(name);
    node.inputs = {from};
    const ValueId made = add_value(graph_, {std::move(name), std::move(type), std::nullopt, {}});
    node.outputs = {made};
    graph_.nodes.push_back(std::move(node));
    return made;
  }

  void redirect(NodeId reader, ValueId from, ValueId to) {
    for (ValueId& input : graph_.nodes[static_cast<size_t>(reader)].inputs)
      if (input == from) input = to;
  }

  // A quantized node writes it: integers, with a float twin for those who want one.
  void make_integer(ValueId id, NodeId producer, const std::vector<NodeId>& readers) {
    const TensorType as_float{DType::kF32, value(id).type.shape, std::nullopt};
    TensorType as_integer{value(id).observation->spec.dtype, as_float.shape, value(id).type.qparams};
    const std::string name = value(id).name;
    const bool is_output =
        std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
    std::vector<NodeId> float_readers;
    for (NodeId reader : readers)
      if (!is_quantized(static_cast<size_t>(reader))) float_readers.push_back(reader);

    if (is_output) {
      // the model's output keeps its name and is float: the integers get the new name
      const ValueId integers = add_value(
          graph_, {unique_value_name(graph_, name + ".quantized"), std::move(as_integer), std::nullopt, {}});
      for (ValueId& output : graph_.nodes[static_cast<size_t>(producer)].outputs)
        if (output == id) output = integers;
      for (NodeId reader : readers)
        if (is_quantized(static_cast<size_t>(reader))) redirect(reader, id, integers);
      value(id).type = as_float;
      Node node;
      node.op = "dequantize";
      node.name = unique_node_name(name + ".dequantize");
      node.inputs = {integers};
      node.outputs = {id};
      graph_.nodes.push_back(std::move(node));
      return;
    }
    value(id).type = std::move(as_integer);
    if (float_readers.empty()) return;
    const ValueId floats = add_conversion("dequantize", id, name + ".dequantized", as_float);
    for (NodeId reader : float_readers) redirect(reader, id, floats);
  }

  // A float node or the caller writes it: quantized nodes read an integer twin.
  void add_quantize(ValueId id, const std::vector<NodeId>& readers) {
    TensorType as_integer{value(id).observation->spec.dtype, value(id).type.shape, value(id).type.qparams};
    value(id).type.qparams.reset();
    const ValueId integers =
        add_conversion("quantize", id, value(id).name + ".quantized", std::move(as_integer));
    for (NodeId reader : readers)
      if (is_quantized(static_cast<size_t>(reader))) redirect(reader, id, integers);
  }

  std::string unique_node_name(const std::string& name) const {
    std::string out = name;
    const auto taken = [&] {
      return std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                         [&](const Node& node) { return node.name == out; });
    };
    for (int i = 2; taken(); ++i) out = text(name, ".", i);
    return out;
  }

  Graph graph_;
  Changes& changes_;
  std::vector<std::vector<NodeId>> readers_;  // before any change
  std::vector<bool> is_weight_;
};

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  return Converter(std::move(graph), changes).apply();
}

}  // namespace

extern const PassDef pass_convert;
constinit const PassDef pass_convert = {"convert", "make integers of what has quantization parameters",
                                        apply};

}  // namespace q
