#include "q/graph.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::string place_of(const Node& node) { return text("/graph/", node.name, " (", node.op, ")"); }

[[noreturn]] void refuse(const Node& node, const std::string& what) {
  throw Error(ErrorKind::kInvalid, text(place_of(node), ": ", what));
}

const OpDef& op_of(const Node& node) {
  const OpDef* op = find_op(node.op);
  if (op == nullptr)
    throw Error(ErrorKind::kUnsupported, text(place_of(node), ": no operator is called ", node.op));
  return *op;
}

// The shapes of the node's outputs; samples stay apart in them. Adds the node's place to what the operator
// says.
std::vector<Shape> infer(const Graph& graph, const Node& node, const OpDef& op) {
  std::vector<TensorType> in;
  for (ValueId id : node.inputs) in.push_back(graph.values[static_cast<size_t>(id)].type);
  try {
    const Attrs attrs = complete_attrs(op, node.attrs);
    const std::vector<Shape> out = op.infer(attrs, in);
    check_samples(op, attrs, in, out);
    return out;
  } catch (const Error& error) {
    throw Error(error.kind(), text(place_of(node), ": ", error.what()));
  }
}

bool in_range(const Graph& graph, ValueId id) {
  return id >= 0 && static_cast<size_t>(id) < graph.values.size();
}

void check_structure(const Graph& graph) {
  std::unordered_set<std::string_view> value_names, node_names;
  for (const Value& value : graph.values) {
    if (value.name.empty()) throw Error(ErrorKind::kInvalid, "a value has no name");
    if (!value_names.insert(value.name).second)
      throw Error(ErrorKind::kInvalid, text("/values/", value.name, ": two values have this name"));
  }
  std::vector<const Node*> producer(graph.values.size(), nullptr);
  for (const Node& node : graph.nodes) {
    if (!node_names.insert(node.name).second) refuse(node, "two nodes have this name");
    const OpDef& op = op_of(node);
    const int count = static_cast<int>(node.inputs.size());
    if (count < op.inputs_min || count > op.inputs_max)
      refuse(node, text(count, " inputs, wanted ", op.inputs_min,
                        op.inputs_min == op.inputs_max ? "" : text(" to ", op.inputs_max)));
    for (ValueId id : node.inputs)
      if (!in_range(graph, id)) refuse(node, "an input that is no value");
    for (ValueId id : node.outputs) {
      if (!in_range(graph, id)) refuse(node, "an output that is no value");
      const Value& value = graph.values[static_cast<size_t>(id)];
      if (value.constant) refuse(node, text("output ", value.name, " is a constant"));
      const Node*& other = producer[static_cast<size_t>(id)];
      if (other != nullptr) refuse(node, text("output ", value.name, " is also made by ", other->name));
      other = &node;
    }
  }
  for (ValueId id : graph.inputs) {
    if (!in_range(graph, id)) throw Error(ErrorKind::kInvalid, "/graph: an input that is no value");
    const Value& value = graph.values[static_cast<size_t>(id)];
    if (producer[static_cast<size_t>(id)] != nullptr || value.constant)
      throw Error(ErrorKind::kInvalid,
                  text("/values/", value.name, ": a model input that is also computed or constant"));
  }
  if (graph.outputs.empty()) throw Error(ErrorKind::kInvalid, "/graph: no outputs");
  for (ValueId id : graph.outputs)
    if (!in_range(graph, id)) throw Error(ErrorKind::kInvalid, "/graph: an output that is no value");
  std::vector<bool> is_input(graph.values.size());
  for (ValueId id : graph.inputs) is_input[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (producer[i] == nullptr && !graph.values[i].constant && !is_input[i])
      throw Error(ErrorKind::kInvalid, text("/values/", graph.values[i].name,
                                            ": neither computed, nor constant, nor a model input"));
}

void check_types(const Graph& graph) {
  for (const Value& value : graph.values) {
    const std::string place = text("/values/", value.name);
    for (int64_t extent : value.type.shape.extents())
      if (extent == 0 || extent > INT32_MAX || extent < -INT32_MAX)  // operators may multiply a few of them
        throw Error(ErrorKind::kInvalid, text(place, ": shape ", to_string(value.type.shape),
                                              ", wanted extents of 1 to ", INT32_MAX));
    if (value.type.qparams) {
      const bool chosen = value.type.dtype == DType::kF32;
      if (chosen && !value.observation)
        throw Error(ErrorKind::kInvalid,
                    text(place, ": quantization parameters on f32 without an observation"));
      check_qparams(*value.type.qparams, chosen ? value.observation->spec.dtype : value.type.dtype,
                    value.type.shape, place);
    }
  }
}

// Samples come first in every input that has them.
void check_inputs(const Graph& graph) {
  for (ValueId id : graph.inputs) {
    const Value& input = graph.values[static_cast<size_t>(id)];
    for (int axis = 0; axis < input.type.shape.rank; ++axis) {
      const int64_t extent = input.type.shape[axis];
      if (is_free(extent) && (axis > 0 || extent != kFree))
        throw Error(ErrorKind::kInvalid, text("/values/", input.name, ": shape ", to_string(input.type.shape),
                                              " of a model input, wanted only the first extent free, and N"));
    }
  }
}

// Of a model that takes any number of them, also in every output.
void check_outputs(const Graph& graph) {
  if (!takes_any_batch(graph)) return;
  for (ValueId id : graph.outputs) {
    const Value& output = graph.values[static_cast<size_t>(id)];
    if (free_axis(output.type.shape) != 0)
      throw Error(ErrorKind::kInvalid, text("/values/", output.name, ": shape ", to_string(output.type.shape),
                                            " of a model output, wanted the samples first"));
  }
}

}  // namespace

bool takes_any_batch(const Graph& graph) {
  return std::ranges::any_of(graph.inputs, [&](ValueId id) {
    return free_axis(graph.values[static_cast<size_t>(id)].type.shape) != kNone;
  });
}

Constant constant_of(Tensor tensor) {
  return [tensor = std::move(tensor)] { return tensor; };
}

ValueId find_value(const Graph& graph, std::string_view name) {
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].name == name) return static_cast<ValueId>(i);
  return kNone;
}

ValueId add_value(Graph& graph, Value value) {
  if (find_value(graph, value.name) != kNone)
    throw Error(ErrorKind::kInvalid, text("/values/", value.name, ": two values have this name"));
  graph.values.push_back(std::move(value));
  return static_cast<ValueId>(graph.values.size() - 1);
}

std::string unique_value_name(const Graph& graph, std::string_view name) {
  std::string out(name);
  for (int i = 2; find_value(graph, out) != kNone; ++i) out = text(name, ".", i);
  return out;
}

std::vector<NodeId> producers(const Graph& graph) {
  std::vector<NodeId> out(graph.values.size(), kNone);
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (ValueId id : graph.nodes[i].outputs) out[static_cast<size_t>(id)] = static_cast<NodeId>(i);
  return out;
}

std::vector<std::vector<NodeId>> consumers(const Graph& graph) {
  std::vector<std::vector<NodeId>> out(graph.values.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (ValueId id : graph.nodes[i].inputs) out[static_cast<size_t>(id)].push_back(static_cast<NodeId>(i));
  return out;
}

void sort_nodes(Graph& graph) {
  const std::vector<NodeId> producer = producers(graph);
  const std::vector<std::vector<NodeId>> readers = consumers(graph);
  std::vector<int> waiting(graph.nodes.size(), 0);
  // the smallest index first: a sorted graph stays as it is
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ValueId id : graph.nodes[i].inputs) waiting[i] += producer[static_cast<size_t>(id)] != kNone;
    if (waiting[i] == 0) ready.push(static_cast<NodeId>(i));
  }
  std::vector<Node> sorted;
  sorted.reserve(graph.nodes.size());
  while (!ready.empty()) {
    const size_t i = static_cast<size_t>(ready.top());
    ready.pop();
    for (ValueId id : graph.nodes[i].outputs)
      for (NodeId reader : readers[static_cast<size_t>(id)])
        if (--waiting[static_cast<size_t>(reader)] == 0) ready.push(reader);
    sorted.push_back(std::move(graph.nodes[i]));
  }
  if (sorted.size() < waiting.size()) {
    const auto stuck = std::find_if(waiting.begin(), waiting.end(), [](int count) { return count > 0; });
    refuse(graph.nodes[static_cast<size_t>(stuck - waiting.begin())],
           "waits for its own output: the graph has a cycle");
  }
  graph.nodes = std::move(sorted);
}

void remove_unused(Graph& graph) {
  sort_nodes(graph);
  std::vector<bool> used(graph.values.size());
  for (ValueId id : graph.outputs) used[static_cast<size_t>(id)] = true;
  const auto is_used = [&](ValueId id) { return used[static_cast<size_t>(id)]; };
  std::vector<Node> kept;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    if (std::none_of(node.outputs.begin(), node.outputs.end(), is_used)) continue;
    for (ValueId id : node.inputs) used[static_cast<size_t>(id)] = true;
    for (ValueId id : node.outputs) used[static_cast<size_t>(id)] = true;
    kept.push_back(std::move(node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
  for (ValueId id : graph.inputs) used[static_cast<size_t>(id)] = true;

  std::vector<ValueId> renumbered(graph.values.size(), kNone);
  std::vector<Value> values;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (!used[i]) continue;
    renumbered[i] = static_cast<ValueId>(values.size());
    values.push_back(std::move(graph.values[i]));
  }
  graph.values = std::move(values);
  const auto renumber = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) id = renumbered[static_cast<size_t>(id)];
  };
  for (Node& node : graph.nodes) renumber(node.inputs), renumber(node.outputs);
  renumber(graph.inputs), renumber(graph.outputs);
}

void infer_shapes(Graph& graph) {
  for (const Node& node : graph.nodes) {
    const std::vector<Shape> shapes = infer(graph, node, op_of(node));
    if (shapes.size() != node.outputs.size())
      refuse(node, text(node.outputs.size(), " outputs, wanted ", shapes.size()));
    for (size_t i = 0; i < shapes.size(); ++i)
      graph.values[static_cast<size_t>(node.outputs[i])].type.shape = shapes[i];
  }
}

void set_batch(Graph& graph, int64_t samples) {
  for (ValueId id : graph.inputs) {
    Shape& shape = graph.values[static_cast<size_t>(id)].type.shape;
    for (int axis = 0; axis < shape.rank; ++axis)
      if (is_free(shape[axis])) shape[axis] *= -samples;
  }
  infer_shapes(graph);
}

void validate(const Graph& graph) {
  check_structure(graph);
  Graph ordered;
  ordered.nodes = graph.nodes;
  ordered.values = graph.values;
  sort_nodes(ordered);
  check_types(ordered);
  check_inputs(graph);
  for (const Node& node : ordered.nodes) {
    const std::vector<Shape> shapes = infer(ordered, node, op_of(node));
    if (shapes.size() != node.outputs.size())
      refuse(node, text(node.outputs.size(), " outputs, wanted ", shapes.size()));
    for (size_t i = 0; i < shapes.size(); ++i) {
      const Value& value = graph.values[static_cast<size_t>(node.outputs[i])];
      if (value.type.shape != shapes[i])
        refuse(node, text("output ", value.name, " is ", to_string(value.type.shape), ", wanted ",
                          to_string(shapes[i])));
    }
  }
  check_outputs(graph);
}

}  // namespace q
