// How each node of a model is computed: by integers, by a table, or in float.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "q/graph.h"

namespace q {

struct NodeForm {
  std::string node, op;
  std::string form;    // "integer" "table" "float" "convert"
  std::string reason;  // of a float node in a quantized model
  int64_t macs = 0;    // per sample
};

struct Coverage {
  std::vector<NodeForm> nodes;  // one per node of the graph
  int64_t integer = 0, table = 0, floating = 0, conversions = 0;
  int64_t macs = 0, integer_macs = 0;
  bool is_quantized = false;  // any node works on integers
};

Coverage coverage_of(const Graph& graph);
// Throws, naming the file at `path`, when the graph works on integers already.
void refuse_quantized(const Graph& graph, const std::string& path);

}  // namespace q
