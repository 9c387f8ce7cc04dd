// x * sigmoid(x) is silu; x * hardsigmoid(x) of slope 1/6 is hardswish.
#include <cmath>

#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

// What x * gate(x) is called; empty when it has no name.
std::string_view gated(const Node& gate) {
  if (gate.op == "sigmoid") return "silu";
  if (gate.op != "hardsigmoid") return "";
  const Attrs attrs = complete_attrs(*find_op("hardsigmoid"), gate.attrs);
  const bool is_torch_slope = static_cast<float>(attr_float(attrs, "alpha")) == 1.0f / 6.0f;
  return is_torch_slope && attr_float(attrs, "beta") == 0.5 ? "hardswish" : "";
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node mul = rewriter.node(id);
    if (mul.op != "mul" || has_clamp(mul)) continue;
    for (size_t index : {size_t{0}, size_t{1}}) {
      const ValueId x = mul.inputs[index];
      const NodeId gate = rewriter.sole_producer(mul.inputs[1 - index]);
      if (gate == kNone || rewriter.node(gate).inputs[0] != x) continue;
      const std::string_view op = gated(rewriter.node(gate));
      if (op.empty()) continue;
      Node& fused = rewriter.node(gate);
      changes.push_back({text(fused.op, "+mul"), fused.name, text("became ", op, " with ", mul.name)});
      fused.op = op;
      fused.attrs.clear();
      rewriter.absorb(gate, id);
      break;
    }
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_gate;
constinit const PassDef pass_fuse_gate = {"fuse_gate", "recognise silu and hardswish written as products",
                                          apply};

}  // namespace q
