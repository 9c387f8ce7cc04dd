// Two models on the same samples: every tensor they both have, every node on its own, and what they decide.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "causes.h"
#include "metrics.h"
#include "samples.h"

namespace q {

struct TensorRow {
  std::string name, node, op;       // the node of the second model that computes it
  Difference cumulative;            // both models run from the samples on
  std::optional<Difference> local;  // this node alone works on integers, its inputs come from the first model
  bool is_output = false;
  std::optional<Cause> cause = std::nullopt;  // where it was sought
};

struct Comparison {
  std::vector<TensorRow> rows;         // in the second model's order of execution
  std::vector<std::string> unmatched;  // a line for each tensor that only one of the two has
  int64_t samples = 0;
  // of the first output, when it is [N, classes]
  std::optional<int64_t> same_top1, first_right, second_right;
};

// Runs `first` (the reference), the job's first input, and `second`, its second, over the samples.
// with_local: also every integer node alone.
Comparison compare_models(Job& job, const Graph& first, const Graph& second, Samples& samples,
                          bool with_local);

// Rows of nodes that ran on their own, the lowest local SQNR first.
std::vector<const TensorRow*> worst_rows(const Comparison& comparison);
// Finds the causes of the `count` worst of them.
void explain(Job& job, const Graph& first, const Graph& second, Samples& samples, size_t count,
             Comparison& comparison);

struct NamedPath {
  std::string path, shown;
};
// Two files of tensors, dataset by dataset. Throws when shapes differ or no name is in both.
Comparison compare_tensors(const NamedPath& first, const NamedPath& second);

}  // namespace q
