// Passes: graph in, graph out, and a list of what was done. One file in libq/passes is one PassDef.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "q/graph.h"

namespace q {

struct Kernels;
struct Recipe;
struct Stats;

// One thing a pass did or could not do.
struct Change {
  std::string rule;      // "conv+bn", "float island", …
  std::string node;      // the node it happened to
  std::string detail;    // what was done, or the reason
  bool warning = false;  // counted in the report; an error under --strict
};
using Changes = std::vector<Change>;

// Adds a line for every node that stays float: a warning unless the recipe wants it so.
Q_API void report_islands(const Graph& graph, Changes& changes);

// Context a pass may need beside the graph; null where the caller has none.
struct PassContext {
  const Recipe* recipe = nullptr;
  const Stats* stats = nullptr;
  const Kernels* kernels = nullptr;  // of kernels_for; null: those of the row generic, which give the same
  std::span<const std::string> decompose = {};  // operators that the pass decompose writes out
};

struct PassDef {
  std::string_view name, doc;
  Graph (*apply)(Graph, const PassContext&, Changes&) = nullptr;
};

Q_API std::span<const PassDef* const> passes();
Q_API const PassDef* find_pass(std::string_view name);
// Runs the pass of that name. Throws when there is none.
Q_API Graph run_pass(std::string_view name, Graph graph, const PassContext& context, Changes& changes);

}  // namespace q
