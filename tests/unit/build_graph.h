// Small graphs for tests, a line per node.
#pragma once

#include <string>
#include <vector>

#include "q/graph.h"
#include "q/op.h"

namespace q {

class GraphBuilder {
 public:
  ValueId input(const std::string& name, const Shape& shape) {
    const ValueId id = add_value(graph_, {name, {DType::kF32, shape, std::nullopt}, std::nullopt, {}});
    graph_.inputs.push_back(id);
    return id;
  }

  ValueId constant(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    return add_value(
        graph_,
        {name, {DType::kF32, shape, std::nullopt}, std::nullopt, constant_of(make_tensor(shape, values))});
  }

  // A node and its output value, both called `name`.
  ValueId node(const std::string& op, const std::vector<ValueId>& inputs, const std::string& name,
               const Attrs& attrs = {}) {
    const ValueId id = add_value(graph_, {name, {}, std::nullopt, {}});
    Node node;
    node.op = op;
    node.name = name;
    node.attrs = attrs;
    node.inputs = inputs;
    node.outputs = {id};
    graph_.nodes.push_back(std::move(node));
    return id;
  }

  const std::string& last_op() const { return graph_.nodes.back().op; }
  void output(ValueId id) { graph_.outputs.push_back(id); }

  // Shapes inferred and everything validated.
  Graph graph() {
    infer_shapes(graph_);
    validate(graph_);
    return graph_;
  }

 private:
  Graph graph_;
};

}  // namespace q
