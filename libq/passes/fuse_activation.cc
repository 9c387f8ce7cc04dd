// relu, relu6 and clamp become the limits of the node before them.
#include <limits>

#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

struct Limits {
  double lo, hi;
};

// The limits of an activation that is a clamp; false for any other operator.
bool limits_of(const Node& node, Limits* limits) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (node.op == "relu")
    *limits = {0, kInfinity};
  else if (node.op == "relu6")
    *limits = {0, 6};
  else if (node.op == "clamp") {
    const Attrs attrs = complete_attrs(*find_op("clamp"), node.attrs);
    *limits = {attr_float(attrs, "min"), attr_float(attrs, "max")};
  } else
    return false;
  return limits->lo <= limits->hi;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& activation = rewriter.node(id);
    Limits limits;
    if (!limits_of(activation, &limits)) continue;
    const NodeId before = rewriter.sole_producer(activation.inputs[0]);
    if (before == kNone || !can_clamp(rewriter.node(before).op)) continue;
    Node& node = rewriter.node(before);
    changes.push_back({node.op + "+" + activation.op, node.name, text("absorbed ", activation.name)});
    narrow_clamp(node, limits.lo, limits.hi);
    rewriter.absorb(before, id);
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_activation;
constinit const PassDef pass_fuse_activation = {"fuse_activation", "let a node clamp its own result", apply};

}  // namespace q
