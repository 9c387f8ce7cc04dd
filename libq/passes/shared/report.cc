#include "q/pass.h"

namespace q {

void report_islands(const Graph& graph, Changes& changes) {
  for (const Node& node : graph.nodes) {
    if (node.float_reason.empty()) continue;
    const bool is_wanted = node.float_reason == kFloatByRecipe || node.float_reason == kReadsIntegers;
    changes.push_back({is_wanted ? "kept float" : "float island", node.name, node.float_reason, !is_wanted});
  }
}

}  // namespace q
