#include "onnx/mapping.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace q {

namespace {

// The first opset of the operator's rows that count for this type: its newest ones. 0 when there is none.
int newest(const OpDef& op, std::string_view type, int64_t opset) {
  int out = 0;
  for (const OnnxName& name : op.onnx)
    if (name.type == type && name.since <= opset) out = std::max(out, name.since);
  return out;
}

void take_used_inputs(OnnxNode& node) {
  std::erase_if(node.inputs, [](const OnnxNode::Input& input) { return !input.used; });
  while (!node.inputs.empty() && node.inputs.back().absent) node.inputs.pop_back();
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    OnnxNode::Input& input = node.inputs[i];
    if (input.absent) throw Error(ErrorKind::kUnsupported, text("input ", i + 1, " is left out, wanted one"));
    if (input.constant) input.type = input.constant->type;  // a mapping may have given it another shape
  }
}

MappedNode finished(const OpDef& op, OnnxNode node) {
  take_used_inputs(node);
  const int count = static_cast<int>(node.inputs.size());
  if (count < op.inputs_min || count > op.inputs_max)
    throw Error(ErrorKind::kUnsupported,
                text(count, " inputs, wanted ", op.inputs_min,
                     op.inputs_min == op.inputs_max ? "" : text(" to ", op.inputs_max)));
  node.attrs = complete_attrs(op, node.attrs);
  return {&op, std::move(node)};
}

}  // namespace

bool has_operator(std::string_view type, int64_t opset) {
  const auto names_it = [&](const OpDef* op) { return newest(*op, type, opset) > 0; };
  return std::any_of(ops().begin(), ops().end(), names_it);
}

std::optional<MappedNode> map_node(const OnnxNode& node) {
  for (const OpDef* op : ops()) {
    const int since = newest(*op, node.type, node.opset);
    for (const OnnxName& name : op->onnx) {
      if (name.type != node.type || name.since != since) continue;
      OnnxNode mapped = node;  // a mapping that declines may have changed it
      if (name.map == nullptr || name.map(mapped)) return finished(*op, std::move(mapped));
    }
  }
  return std::nullopt;
}

}  // namespace q
