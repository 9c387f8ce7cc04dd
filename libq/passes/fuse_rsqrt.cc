// 1 / sqrt(x) is rsqrt.
#include "base/text.h"
#include "passes/shared/pattern.h"

namespace q {

namespace {

// The value whose inverse the node computes; kNone when it computes something else.
ValueId inverted(Rewriter& rewriter, const Node& node) {
  if (node.op == "reciprocal") return node.inputs[0];
  const bool is_inverse = node.op == "div" && !has_clamp(node) && number_of(rewriter, node.inputs[0]) == 1;
  return is_inverse ? node.inputs[1] : kNone;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& node = rewriter.node(id);
    const ValueId root = inverted(rewriter, node);
    if (root == kNone) continue;
    const NodeId sqrt = maker_of(rewriter, root, "sqrt");
    if (sqrt == kNone || rewriter.sole_producer(root) != sqrt || !has_shape_of(rewriter, id, root)) continue;
    changes.push_back({"rsqrt", node.name, text("became rsqrt with ", rewriter.node(sqrt).name)});
    rewriter.become(id, "rsqrt", {}, {rewriter.node(sqrt).inputs[0]});
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_rsqrt;
constinit const PassDef pass_fuse_rsqrt = {"fuse_rsqrt", "recognise rsqrt written as 1 / sqrt(x)", apply};

}  // namespace q
