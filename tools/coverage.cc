#include "coverage.h"

#include "base/text.h"
#include "q/op.h"
#include "tool.h"

namespace q {

namespace {

int64_t macs_of(Graph& one_sample, const Node& node, const OpDef& op) {
  if (op.macs == nullptr) return 0;
  std::vector<TensorType> in;
  for (ValueId id : node.inputs) in.push_back(one_sample.values[static_cast<size_t>(id)].type);
  return op.macs(complete_attrs(op, node.attrs), in,
                 one_sample.values[static_cast<size_t>(node.outputs[0])].type.shape);
}

std::string form_of(const Graph& graph, const Node& node, const OpDef& op) {
  if (op.f32 == nullptr && op.unary == nullptr) return "convert";
  if (!graph.values[static_cast<size_t>(node.outputs[0])].type.qparams ||
      graph.values[static_cast<size_t>(node.outputs[0])].type.dtype == DType::kF32)
    return "float";
  return op.quant != nullptr ? "integer" : "table";
}

}  // namespace

Coverage coverage_of(const Graph& graph) {
  Graph one_sample = graph;
  sort_nodes(one_sample);
  set_batch(one_sample, 1);

  Coverage out;
  for (const Node& node : one_sample.nodes) {
    const OpDef& op = *find_op(node.op);
    NodeForm form{node.name, node.op, form_of(graph, node, op), node.float_reason,
                  macs_of(one_sample, node, op)};
    out.macs += form.macs;
    if (form.form == "integer") ++out.integer, out.integer_macs += form.macs;
    if (form.form == "table") ++out.table;
    if (form.form == "float") ++out.floating;
    if (form.form == "convert") ++out.conversions;
    out.nodes.push_back(std::move(form));
  }
  out.is_quantized = out.integer + out.table > 0;
  return out;
}

void refuse_quantized(const Graph& graph, const std::string& path) {
  if (coverage_of(graph).is_quantized)
    throw Error(ErrorKind::kInvalid, text(shown(path), ": is quantized already, wanted a float model"));
}

}  // namespace q
