// Why a node of a quantized model is far from its float self, and what a recipe can do about it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "metrics.h"
#include "samples.h"

namespace q {

struct Cause {
  std::string part;  // what costs the most: "output", "input NAME" or "weights"
  Difference alone;  // of the node when nothing but this part is integers
  std::string reason;
  std::vector<std::string> rules;  // of a recipe, each as YAML in one line; never empty
};

// Of nodes of `second`, by name: those that work on integers and whose operands `first` (the float model) has
// too. Runs the float model and these nodes over the samples again.
std::map<std::string, Cause> find_causes(Job& job, const Graph& first, const Graph& second, Samples& samples,
                                         const std::vector<std::string>& nodes);

}  // namespace q
