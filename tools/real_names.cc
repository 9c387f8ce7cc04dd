#include "real_names.h"

namespace q {

RealNames::RealNames(const Graph& graph, const Graph& reference)
    : graph_(graph), producer_(producers(graph)), readers_(consumers(graph)) {
  for (const Value& value : reference.values) known_.insert(value.name);
}

std::string RealNames::of(ValueId id) const {
  const auto name = [&](ValueId value) { return graph_.values[static_cast<size_t>(value)].name; };
  if (known_.contains(name(id))) return name(id);
  const NodeId producer = producer_[static_cast<size_t>(id)];
  if (producer != kNone && node(producer).op == "quantize") return known(name(node(producer).inputs[0]));
  for (NodeId reader : readers_[static_cast<size_t>(id)])
    if (node(reader).op == "dequantize") return known(name(node(reader).outputs[0]));
  return "";
}

}  // namespace q
