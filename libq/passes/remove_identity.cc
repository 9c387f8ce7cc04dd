// Nodes that do nothing go: identity, dropout, padding by nothing, reshaping to the same shape.
#include <algorithm>

#include "passes/shared/rewrite.h"

namespace q {

namespace {

bool does_nothing(Rewriter& rewriter, const Node& node) {
  if (node.op == "identity") return true;
  if (node.op == "pad") {
    const Ints& pads = attr_ints(node.attrs, "pads");
    return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  }
  const bool moves =
      node.op == "reshape" || node.op == "flatten" || node.op == "squeeze" || node.op == "unsqueeze";
  return moves && rewriter.value(node.inputs[0]).type.shape == rewriter.value(node.outputs[0]).type.shape;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& node = rewriter.node(id);
    if (!does_nothing(rewriter, node)) continue;
    if (rewriter.bypass(id, 0)) changes.push_back({"identity", node.name, "removed"});
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_remove_identity;
constinit const PassDef pass_remove_identity = {"remove_identity", "remove nodes that do nothing", apply};

}  // namespace q
