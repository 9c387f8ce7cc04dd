// What fusing passes share: finding a pair of nodes joined by one value, and making one of two.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "q/graph.h"
#include "q/op.h"
#include "q/pass.h"

namespace q {

class Rewriter {
 public:
  explicit Rewriter(Graph graph);
  Graph& graph() { return graph_; }
  Node& node(NodeId id) { return graph_.nodes[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return graph_.values[static_cast<size_t>(id)]; }
  NodeId node_count() const { return static_cast<NodeId>(graph_.nodes.size()); }
  bool removed(NodeId id) const { return removed_[static_cast<size_t>(id)]; }
  bool is_constant(ValueId id) const {
    return static_cast<bool>(graph_.values[static_cast<size_t>(id)].constant);
  }
  // The node that computes a value, kNone for inputs and constants.
  NodeId producer(ValueId id) const { return producer_[static_cast<size_t>(id)]; }
  // The node that computes `id` when nobody but one reader sees that value: a pair that may become one. kNone
  // otherwise.
  NodeId sole_producer(ValueId id) const;
  // The node that alone reads `id`, which is no output; kNone otherwise.
  NodeId sole_reader(ValueId id) const;
  // `first` takes over the output of `second`, its only reader, which disappears.
  void absorb(NodeId first, NodeId second);
  // The node becomes another operator on these values; its output stays.
  void become(NodeId id, std::string_view op, Attrs attrs, std::vector<ValueId> inputs);
  // Readers of the node's output read its input `index` instead; the node disappears. A node whose output is
  // a model output stays when its input is a model input or an output too; returns whether it went.
  bool bypass(NodeId id, size_t index);
  // Input `index` of the node, which is constant, becomes another constant of the same name; when other nodes
  // read it too, of a name like it.
  void replace_constant(NodeId id, size_t index, TensorType type, Constant constant);
  // A new constant of that name, or one like it.
  ValueId add_constant(std::string_view name, TensorType type, Constant constant);
  // A constant of that name, or one like it, becomes the node's last input.
  void append_constant(NodeId id, std::string_view name, TensorType type, Constant constant);
  // The graph without removed nodes and what only they used, in order.
  Graph finish();

 private:
  void remove(NodeId id);
  Graph graph_;
  std::vector<NodeId> producer_;
  std::vector<std::vector<NodeId>> readers_;
  std::vector<bool> removed_, is_output_;
};

// The outputs that are integers where the node is quantized.
std::span<const ValueId> integer_outputs(const Node& node);
// True for operators that can clamp their own result (attributes min and max).
bool can_clamp(std::string_view op);
// Narrows the clamp of a node by [lo, hi].
void narrow_clamp(Node& node, double lo, double hi);
bool has_clamp(const Node& node);

}  // namespace q
