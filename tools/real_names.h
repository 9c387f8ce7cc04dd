// The names under which the values of a quantized model are known in its float model.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "q/graph.h"

namespace q {

class RealNames {
 public:
  // Both graphs must outlive it.
  RealNames(const Graph& graph, const Graph& reference);
  // Of the reals that a value of the graph stands for: its own, or that of the float twin on the other side
  // of a quantize or dequantize node; empty where the reference has neither.
  std::string of(ValueId id) const;

 private:
  const Node& node(NodeId id) const { return graph_.nodes[static_cast<size_t>(id)]; }
  std::string known(const std::string& name) const { return known_.contains(name) ? name : ""; }

  const Graph& graph_;
  std::vector<NodeId> producer_;
  std::vector<std::vector<NodeId>> readers_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace q
