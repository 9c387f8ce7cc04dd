// Nodes that only read constants are computed now.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "ops/shared/evaluate.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

bool foldable(const Graph& graph, const Node& node) {
  int rank = 0;
  for (ValueId id : node.inputs) {
    const Value& value = graph.values[static_cast<size_t>(id)];
    if (!value.constant || value.type.dtype != DType::kF32 || value.type.qparams) return false;
    rank = std::max(rank, value.type.shape.rank);
  }
  return node.outputs.size() == 1 && can_evaluate(*find_op(node.op), rank);
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  sort_nodes(graph);
  std::vector<Node> kept;
  std::map<std::string, std::string> not_finite;  // value to the node that made it
  for (Node& node : graph.nodes) {
    const bool is_output =
        std::find(graph.outputs.begin(), graph.outputs.end(), node.outputs[0]) != graph.outputs.end();
    if (is_output || !foldable(graph, node)) {
      kept.push_back(std::move(node));
      continue;
    }
    std::vector<Tensor> in;
    for (ValueId id : node.inputs) in.push_back(graph.values[static_cast<size_t>(id)].constant());
    const OpDef& op = *find_op(node.op);
    Value& value = graph.values[static_cast<size_t>(node.outputs[0])];
    Tensor result = evaluate(op, complete_attrs(op, node.attrs), in).at(0);
    if (!all_finite(result)) not_finite.emplace(value.name, text(node.name, " (", node.op, ")"));
    value.constant = constant_of(std::move(result));
    changes.push_back({"constant", node.name, text("computed ", value.name)});
  }
  graph.nodes = std::move(kept);
  remove_unused(graph);
  // one that later constants were computed from is gone
  for (const Value& value : graph.values)
    if (const auto made = not_finite.find(value.name); made != not_finite.end())
      throw Error(ErrorKind::kInvalid,
                  text("node ", made->second, ": computed from constants, gives NaN or infinity"));
  return graph;
}

}  // namespace

extern const PassDef pass_fold_constants;
constinit const PassDef pass_fold_constants = {"fold_constants", "compute what depends only on constants",
                                               apply};

}  // namespace q
