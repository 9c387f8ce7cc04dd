#include "passes/shared/rewrite.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace q {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double clamp_of(const Node& node, std::string_view name, double fallback) {
  const auto found = node.attrs.find(name);
  return found == node.attrs.end() ? fallback : std::get<double>(found->second);
}

}  // namespace

Rewriter::Rewriter(Graph graph) : graph_(std::move(graph)) {
  sort_nodes(graph_);
  producer_ = producers(graph_);
  readers_ = consumers(graph_);
  removed_.resize(graph_.nodes.size());
  is_output_.resize(graph_.values.size());
  for (ValueId id : graph_.outputs) is_output_[static_cast<size_t>(id)] = true;
}

NodeId Rewriter::sole_producer(ValueId id) const {
  return sole_reader(id) != kNone ? producer_[static_cast<size_t>(id)] : kNone;
}

NodeId Rewriter::sole_reader(ValueId id) const {
  const size_t i = static_cast<size_t>(id);
  return readers_[i].size() == 1 && !is_output_[i] ? readers_[i][0] : kNone;
}

void Rewriter::remove(NodeId id) {
  removed_[static_cast<size_t>(id)] = true;
  for (ValueId input : node(id).inputs) {
    std::vector<NodeId>& readers = readers_[static_cast<size_t>(input)];
    readers.erase(std::find(readers.begin(), readers.end(), id));
  }
}

void Rewriter::absorb(NodeId first, NodeId second) {
  remove(second);
  node(first).outputs = node(second).outputs;
  for (ValueId id : node(first).outputs) producer_[static_cast<size_t>(id)] = first;
}

void Rewriter::become(NodeId id, std::string_view op, Attrs attrs, std::vector<ValueId> inputs) {
  for (ValueId input : node(id).inputs) {
    std::vector<NodeId>& readers = readers_[static_cast<size_t>(input)];
    readers.erase(std::find(readers.begin(), readers.end(), id));
  }
  for (ValueId input : inputs) readers_[static_cast<size_t>(input)].push_back(id);
  node(id).op = op;
  node(id).attrs = std::move(attrs);
  node(id).inputs = std::move(inputs);
}

bool Rewriter::bypass(NodeId id, size_t index) {
  const ValueId input = node(id).inputs[index], output = node(id).outputs[0];
  if (is_output_[static_cast<size_t>(output)]) {
    const NodeId source = producer(input);
    if (source == kNone || is_output_[static_cast<size_t>(input)]) return false;
    // the output's name must survive: its producer writes it instead
    remove(id);
    for (NodeId reader : readers_[static_cast<size_t>(input)]) {
      for (ValueId& used : node(reader).inputs)
        if (used == input) used = output;
      readers_[static_cast<size_t>(output)].push_back(reader);
    }
    readers_[static_cast<size_t>(input)].clear();
    for (ValueId& made : node(source).outputs)
      if (made == input) made = output;
    producer_[static_cast<size_t>(output)] = source;
    return true;
  }
  remove(id);
  for (NodeId reader : readers_[static_cast<size_t>(output)]) {
    for (ValueId& used : node(reader).inputs)
      if (used == output) used = input;
    readers_[static_cast<size_t>(input)].push_back(reader);
  }
  readers_[static_cast<size_t>(output)].clear();
  return true;
}

ValueId Rewriter::add_constant(std::string_view name, TensorType type, Constant constant) {
  const ValueId id = add_value(
      graph_, {unique_value_name(graph_, name), std::move(type), std::nullopt, std::move(constant)});
  producer_.push_back(kNone);
  readers_.emplace_back();
  is_output_.push_back(false);
  return id;
}

void Rewriter::append_constant(NodeId id, std::string_view name, TensorType type, Constant constant) {
  const ValueId made = add_constant(name, std::move(type), std::move(constant));
  node(id).inputs.push_back(made);
  readers_[static_cast<size_t>(made)].push_back(id);
}

void Rewriter::replace_constant(NodeId id, size_t index, TensorType type, Constant constant) {
  const ValueId old = node(id).inputs[index];
  std::vector<NodeId>& readers = readers_[static_cast<size_t>(old)];
  if (readers.size() == 1) {
    value(old).type = std::move(type);
    value(old).constant = std::move(constant);
    return;
  }
  readers.erase(std::find(readers.begin(), readers.end(), id));
  const ValueId made = add_constant(value(old).name, std::move(type), std::move(constant));
  node(id).inputs[index] = made;
  readers_[static_cast<size_t>(made)].push_back(id);
}

Graph Rewriter::finish() {
  std::vector<Node> kept;
  for (NodeId id = 0; id < node_count(); ++id)
    if (!removed(id)) kept.push_back(std::move(node(id)));
  graph_.nodes = std::move(kept);
  remove_unused(graph_);
  return std::move(graph_);
}

std::span<const ValueId> integer_outputs(const Node& node) {
  const size_t most = static_cast<size_t>(find_op(node.op)->reals_from);
  return std::span(node.outputs).first(std::min(node.outputs.size(), most));
}

bool can_clamp(std::string_view op) {
  const OpDef* def = find_op(op);
  const auto declares = [&](std::string_view name) {
    return std::any_of(def->attrs.begin(), def->attrs.end(),
                       [&](const AttrSpec& spec) { return spec.name == name; });
  };
  return def != nullptr && def->unary == nullptr && declares("min") && declares("max");
}

void narrow_clamp(Node& node, double lo, double hi) {
  // the second clamp applies to what the first lets through: clamp(clamp(x, a, b), lo, hi)
  const double a = clamp_of(node, "min", -kInfinity), b = clamp_of(node, "max", kInfinity);
  node.attrs["min"] = std::clamp(a, lo, hi);
  node.attrs["max"] = std::clamp(b, lo, hi);
}

bool has_clamp(const Node& node) {
  return clamp_of(node, "min", -kInfinity) != -kInfinity || clamp_of(node, "max", kInfinity) != kInfinity;
}

}  // namespace q
