// A network as a value: nodes, values and constants in vectors, ids are indices.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "q/observer.h"
#include "q/op.h"
#include "q/tensor.h"

namespace q {

// Bytes that are fetched when used: a graph stays small whatever its weights, and a file is rewritten tensor
// by tensor.
using Constant = std::function<Tensor()>;
// A constant that is already in memory.
Q_API Constant constant_of(Tensor tensor);

using ValueId = int32_t;
using NodeId = int32_t;

struct Value {
  std::string name;
  // dtype f32 with qparams: the parameters chosen for q-convert; an integer dtype with qparams: quantized.
  TensorType type;
  std::optional<Observation> observation;
  Constant constant;  // empty unless the value is constant
};

// The float_reason of a node that the user wants float: no warning.
inline constexpr std::string_view kFloatByRecipe = "the recipe says so";
// That of a node that makes reals of integers: no warning either.
inline constexpr std::string_view kReadsIntegers = "it reads integers";

struct Node {
  std::string op, name;
  Attrs attrs;
  std::vector<ValueId> inputs, outputs;
  std::string float_reason;  // why it is not to be quantized; empty: it is, or nothing has been decided yet
};

struct Graph {
  std::vector<Node> nodes;  // in an order in which inputs come before their use
  std::vector<Value> values;
  std::vector<ValueId> inputs, outputs;
};

// The id of a new value with this name; throws when the name is taken.
Q_API ValueId add_value(Graph& graph, Value value);
// The value of that name, kNone when there is none.
Q_API ValueId find_value(const Graph& graph, std::string_view name);
// `name`, or name.2, name.3, … when taken by a value.
Q_API std::string unique_value_name(const Graph& graph, std::string_view name);
// True when the first extent of an input is free: the model takes any number of samples at a time, each on
// its own. Otherwise all its inputs together are one sample.
Q_API bool takes_any_batch(const Graph& graph);
// Per value the node that computes it, kNone for inputs and constants.
Q_API std::vector<NodeId> producers(const Graph& graph);
// Per value the nodes that read it, in order, a node once per use.
Q_API std::vector<std::vector<NodeId>> consumers(const Graph& graph);
// Nodes put in an order of execution (stable: a node moves only when it must). Throws on a cycle, naming it.
Q_API void sort_nodes(Graph& graph);
// Nodes that no output depends on and values nobody uses are removed, ids renumbered, nodes sorted; model
// inputs stay.
Q_API void remove_unused(Graph& graph);
// Shapes of all computed values again from those of inputs and constants. Throws where an operator refuses,
// or mixes the samples of a free batch.
Q_API void infer_shapes(Graph& graph);
// The graph for so many samples: free extents become fixed ones. Throws as infer_shapes does. Precondition:
// nodes are sorted.
Q_API void set_batch(Graph& graph, int64_t samples);
// Everything a graph from outside must satisfy: known operators, their attributes and number of inputs, ids
// in range, one producer per value, no cycle, shapes as inferred, samples of a free batch apart and first in
// every output, qparams valid, unique names. Throws naming the node or value.
Q_API void validate(const Graph& graph);

}  // namespace q
