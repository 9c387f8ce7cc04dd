// A graph in a file: the groups /graph, /values and /constants (q-model(5)).
#pragma once

#include "io/h5.h"
#include "q/graph.h"

namespace q {

// Constants are fetched one after the other.
void write_graph(const h5::Object& root, const Graph& graph);
// A graph that satisfies validate(), its nodes in order of execution. Its constants keep the file open.
Graph read_graph(const h5::Object& root);

}  // namespace q
