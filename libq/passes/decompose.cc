// Operators written out as the simple ones that TinyNN makes of them, each step with integers of its own.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

// Writes nodes in the place of one, whose output the last of them takes.
class Writer {
 public:
  Writer(Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  ValueId in(size_t index) const { return node_.inputs[index]; }
  size_t inputs() const { return node_.inputs.size(); }
  const Shape& shape(ValueId id) const { return graph_.values[static_cast<size_t>(id)].type.shape; }
  const Node& node() const { return node_; }

  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    return add_all(op, std::move(inputs), std::move(attrs), 1)[0];
  }

  std::vector<ValueId> add_all(std::string_view op, std::vector<ValueId> inputs, Attrs attrs, int outputs) {
    Node made{
        .op = std::string(op), .name = name_of(op), .attrs = std::move(attrs), .inputs = std::move(inputs)};
    for (int i = 0; i < outputs; ++i) {
      const std::string name = outputs == 1 ? made.name : text(made.name, ".", i);
      made.outputs.push_back(add_value(graph_, {unique_value_name(graph_, name), {}, std::nullopt, {}}));
    }
    nodes_.push_back(std::move(made));
    return nodes_.back().outputs;
  }

  ValueId add_scalar(ValueId x, double number) { return add("add_scalar", {x}, {{"scalar", number}}); }
  ValueId mul_scalar(ValueId x, double number) { return add("mul_scalar", {x}, {{"scalar", number}}); }

  ValueId reshaped(ValueId constant, const Shape& shape) {
    const Value from = graph_.values[static_cast<size_t>(constant)];
    TensorType type = from.type;
    type.shape = shape;
    return add_value(graph_,
                     {unique_value_name(graph_, from.name), type, std::nullopt, [type, old = from.constant] {
                        Tensor out = old();
                        out.type = type;
                        return out;
                      }});
  }

  // The nodes; the last one makes what the old one made.
  std::vector<Node> finish() {
    nodes_.back().outputs = node_.outputs;
    return std::move(nodes_);
  }

 private:
  std::string name_of(std::string_view op) { return text(node_.name, "/", op, "_", count_++); }

  Graph& graph_;
  const Node& node_;
  std::vector<Node> nodes_;
  int count_ = 0;
};

// (a, b) = halves of x; a * sigmoid(b)
bool write_glu(Writer& w, const Attrs& attrs) {
  const Shape& shape = w.shape(w.in(0));
  const int axis = normalize_axis(attr_int(attrs, "axis"), shape.rank, "attribute axis");
  const int64_t half = shape[axis] / 2;
  const auto halves =
      w.add_all("split", {w.in(0)}, {{"axis", int64_t{axis}}, {"split", Ints{half, half}}}, 2);
  w.add("mul", {halves[0], w.add("sigmoid", {halves[1]})});
  return true;
}

// relu6(x + 3) / 6, of PyTorch's slope alone
bool write_hardsigmoid(Writer& w, const Attrs& attrs) {
  if (static_cast<float>(attr_float(attrs, "alpha")) != 1.0f / 6.0f || attr_float(attrs, "beta") != 0.5)
    return false;
  w.mul_scalar(w.add("relu6", {w.add_scalar(w.in(0), 3)}), 1.0 / 6);
  return true;
}

Attrs over_axes(const Attrs& attrs, const Shape& shape) {
  Ints axes;
  for (int axis = normalize_axis(attr_int(attrs, "axis"), shape.rank, "attribute axis"); axis < shape.rank;
       ++axis)
    axes.push_back(axis);
  return {{"axes", axes}};
}

// x * rsqrt(mean of squares + epsilon), squares being those of x, times weight, plus bias
void write_scaled(Writer& w, ValueId x, const Attrs& attrs) {
  const Attrs axes = over_axes(attrs, w.shape(w.in(0)));
  const ValueId mean = w.add("mean", {w.add("mul", {x, x})}, axes);
  ValueId y = w.add("mul", {x, w.add("rsqrt", {w.add_scalar(mean, attr_float(attrs, "epsilon"))})});
  if (w.inputs() > 1) y = w.add("mul", {y, w.in(1)});
  if (w.inputs() > 2) w.add("add", {y, w.in(2)});
}

bool write_layer_norm(Writer& w, const Attrs& attrs) {
  const ValueId mean = w.add("mean", {w.in(0)}, over_axes(attrs, w.shape(w.in(0))));
  write_scaled(w, w.add("add", {w.in(0), w.mul_scalar(mean, -1)}), attrs);
  return true;
}

bool write_rms_norm(Writer& w, const Attrs& attrs) {
  write_scaled(w, w.in(0), attrs);
  return true;
}

// relu(x) + slope * -relu(-x)
bool write_prelu(Writer& w, const Attrs&) {
  const Shape& shape = w.shape(w.in(0));
  const Shape& slope = w.shape(w.in(1));
  Shape spread = slope;
  if (elements(slope) > 1)
    for (int axis = 2; axis < shape.rank; ++axis) spread[spread.rank++] = 1;
  const ValueId below = w.mul_scalar(w.add("relu", {w.mul_scalar(w.in(0), -1)}), -1);
  w.add("add", {w.add("relu", {w.in(0)}), w.add("mul", {below, w.reshaped(w.in(1), spread)})});
  return true;
}

bool write_silu(Writer& w, const Attrs&) {
  w.add("mul", {w.in(0), w.add("sigmoid", {w.in(0)})});
  return true;
}

struct Decomposition {
  std::string_view op;
  bool (*write)(Writer&, const Attrs&);
};

constexpr Decomposition kDecompositions[] = {
    {"glu", write_glu},     {"hardsigmoid", write_hardsigmoid}, {"layer_norm", write_layer_norm},
    {"prelu", write_prelu}, {"rms_norm", write_rms_norm},       {"silu", write_silu},
};

bool is_wanted(const PassContext& context, std::string_view op) {
  for (const std::string& name : context.decompose)
    if (name == op) return true;
  return false;
}

void check_names(const PassContext& context) {
  std::string known;
  for (const Decomposition& each : kDecompositions) known += text(known.empty() ? "" : ", ", each.op);
  for (const std::string& name : context.decompose)
    if (std::ranges::find(kDecompositions, name, &Decomposition::op) == std::end(kDecompositions))
      throw Error(ErrorKind::kUsage, text("no way to write out ", name, ", wanted one of ", known));
}

Graph apply(Graph graph, const PassContext& context, Changes& changes) {
  check_names(context);
  std::vector<Node> before = std::move(graph.nodes), after;
  for (Node& node : before) {
    const auto* found = std::ranges::find(kDecompositions, node.op, &Decomposition::op);
    if (found == std::end(kDecompositions) || !is_wanted(context, node.op)) {
      after.push_back(std::move(node));
      continue;
    }
    Writer writer(graph, node);
    if (!found->write(writer, complete_attrs(*find_op(node.op), node.attrs))) {
      after.push_back(std::move(node));
      continue;
    }
    std::vector<Node> nodes = writer.finish();
    changes.push_back({"decompose", node.name, text(node.op, " as ", nodes.size(), " nodes")});
    for (Node& each : nodes) after.push_back(std::move(each));
  }
  graph.nodes = std::move(after);
  sort_nodes(graph);
  infer_shapes(graph);
  remove_unused(graph);
  return graph;
}

}  // namespace

extern const PassDef pass_decompose;
constinit const PassDef pass_decompose = {
    "decompose", "write operators out as the simple ones that TinyNN makes of them", apply};

}  // namespace q
