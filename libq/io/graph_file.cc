#include "io/graph_file.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "io/constants.h"
#include "io/names.h"
#include "io/qparams_attributes.h"
#include "io/tensor_dataset.h"
#include "q/op.h"

namespace q {

namespace {

// Attributes of a node that are not its operator's.
constexpr std::string_view kNodeAttributes[] = {"op", "inputs", "outputs", "order", "float_reason"};
constexpr std::string_view kValueAttributes[] = {"order", "shape", "dtype"};
constexpr std::string_view kConstantValueAttributes[] = {"order"};
constexpr std::string_view kConstantAttributes[] = {"dtype", "shape"};  // of types that HDF5 does not know
constexpr std::string_view kObservationAttributes[] = {
    "dtype", "scheme", "axis", "quant_min", "quant_max", "eps", "observer", "method", "percentile", "shares"};

bool is_node_attribute(std::string_view name) {
  return std::ranges::find(kNodeAttributes, name) != std::end(kNodeAttributes);
}

// ---- writing ----

h5::Strings names_of(const Graph& graph, const std::vector<ValueId>& ids) {
  h5::Strings names;
  for (ValueId id : ids) names.push_back(graph.values[static_cast<size_t>(id)].name);
  return names;
}

void write_node(const h5::Object& parent, const Graph& graph, size_t index) {
  const Node& node = graph.nodes[index];
  const h5::Object group = h5::create_group(parent, escape_name(node.name));
  h5::write_attribute(group, "op", node.op);
  h5::write_attribute(group, "order", static_cast<int64_t>(index));
  h5::write_attribute(group, "inputs", names_of(graph, node.inputs));
  h5::write_attribute(group, "outputs", names_of(graph, node.outputs));
  if (!node.float_reason.empty()) h5::write_attribute(group, "float_reason", node.float_reason);
  for (const auto& attr : node.attrs) {
    assert(!is_node_attribute(attr.first));
    std::visit([&](const auto& value) { h5::write_attribute(group, attr.first, h5::AttributeValue(value)); },
               attr.second);
  }
}

void write_observation(const h5::Object& parent, const Observation& observation) {
  const h5::Object group = h5::create_group(parent, "observation");
  const QuantSpec& spec = observation.spec;
  h5::write_attribute(group, "dtype", std::string(name_of(spec.dtype)));
  h5::write_attribute(group, "scheme", std::string(name_of(spec.scheme)));
  h5::write_attribute(group, "axis", int64_t{spec.axis});
  h5::write_attribute(group, "quant_min", int64_t{spec.quant_min});
  h5::write_attribute(group, "quant_max", int64_t{spec.quant_max});
  h5::write_attribute(group, "eps", double{spec.eps});
  h5::write_attribute(group, "observer", observation.observer);
  h5::write_attribute(group, "method", observation.method);
  h5::write_attribute(group, "percentile", observation.percentile);
  h5::write_attribute(group, "shares", observation.shares);
}

void write_value(const h5::Object& parent, const Value& value, size_t index) {
  const h5::Object group = h5::create_group(parent, escape_name(value.name));
  h5::write_attribute(group, "order", static_cast<int64_t>(index));
  if (!value.constant) {
    const auto extents = value.type.shape.extents();
    h5::write_attribute(group, "shape", Ints(extents.begin(), extents.end()));
    h5::write_attribute(group, "dtype", std::string(name_of(value.type.dtype)));
    if (value.type.qparams) write_qparams(group, *value.type.qparams);
  }
  if (value.observation) write_observation(group, *value.observation);
}

// ---- reading ----

std::string name_of_link(const h5::Object& object, const h5::Link& link) {
  if (std::optional<std::string> name = unescape_name(link.name)) return *std::move(name);
  h5::refuse(object, "the name is not escaped as in a URL");
}

// In the form the operator declares where no information is lost: h5py writes 0 for 0.0 and a scalar for a
// list of one.
Attr adapted(const h5::Object& group, const std::string& name, h5::AttributeValue value, const OpDef* op) {
  if (std::holds_alternative<h5::Strings>(value))
    h5::refuse(group,
               text("attribute ", name, " is strings, wanted a number, a list of numbers or a string"));
  if (op != nullptr) {
    const auto spec = std::ranges::find(op->attrs, name, &AttrSpec::name);
    if (spec != op->attrs.end()) {
      const bool is_text = std::holds_alternative<std::string>(value);
      const bool is_whole = std::holds_alternative<int64_t>(value) || std::holds_alternative<Ints>(value);
      if (spec->kind == AttrKind::kFloat && std::holds_alternative<int64_t>(value))
        return h5::read_number(group, name);
      if (spec->kind == AttrKind::kFloats && !is_text) return h5::read_numbers(group, name);
      const auto* numbers = std::get_if<Floats>(&value);
      if (spec->kind == AttrKind::kInts && (is_whole || (numbers != nullptr && numbers->empty())))
        return h5::read_ints(group, name);
    }
  }
  return std::visit(
      [](auto&& v) -> Attr {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, h5::Strings>)
          return Attr();
        else
          return Attr(std::forward<decltype(v)>(v));
      },
      std::move(value));
}

Observation read_observation(const h5::Object& group) {
  refuse_other_attributes(group, kObservationAttributes);
  Observation observation;
  QuantSpec& spec = observation.spec;
  spec.dtype = read_dtype(group);
  if (!is_integer(spec.dtype) || spec.dtype == DType::kI64)
    h5::refuse(group,
               text("attribute dtype is ", name_of(spec.dtype), ", wanted integers of at most 32 bits"));
  spec.scheme = read_scheme(group);
  spec.axis = read_int32_or(group, "axis", 0);
  spec.quant_min = read_int32_or(group, "quant_min", static_cast<int32_t>(lowest(spec.dtype)));
  spec.quant_max = read_int32_or(group, "quant_max", static_cast<int32_t>(highest(spec.dtype)));
  if (h5::has_attribute(group, "eps")) spec.eps = static_cast<float>(h5::read_number(group, "eps"));
  const auto read_text = [&](const std::string& name) {
    return h5::has_attribute(group, name) ? h5::read_string(group, name) : std::string();
  };
  observation.observer = read_text("observer");
  observation.method = read_text("method");
  observation.shares = read_text("shares");
  if (h5::has_attribute(group, "percentile")) observation.percentile = h5::read_number(group, "percentile");
  return observation;
}

// Throws unless the observation can be carried out on that value.
void check_observation(const h5::Object& group, const Value& value) {
  const Observation& observation = *value.observation;
  const QuantSpec& spec = observation.spec;
  if (spec.quant_min >= spec.quant_max || spec.quant_min > 0 || spec.quant_max < 0 ||
      spec.quant_min < lowest(spec.dtype) || spec.quant_max > highest(spec.dtype))
    h5::refuse(group, text("quantized range ", spec.quant_min, "..", spec.quant_max, ", wanted one inside ",
                           lowest(spec.dtype), "..", highest(spec.dtype), " that contains 0"));
  if (spec.axis < 0 || (is_per_channel(spec.scheme) && spec.axis >= value.type.shape.rank))
    h5::refuse(group, text("attribute axis is ", spec.axis, ", wanted 0 to ", value.type.shape.rank - 1));
  if (!(spec.eps > 0) || !std::isfinite(spec.eps))
    h5::refuse(group, text("attribute eps is ", number(spec.eps), ", wanted a positive number"));
  if (!(observation.percentile > 0 && observation.percentile <= 100))
    h5::refuse(group, text("attribute percentile is ", number(observation.percentile),
                           ", wanted more than 0, at most 100"));
  if (observation.observer.empty()) return;
  const ObserverDef* def = find_observer(observation.observer);
  if (def == nullptr) h5::refuse(group, text("no observer is called ", observation.observer));
  if (std::ranges::find(def->methods, observation.method) == def->methods.end())
    h5::refuse(group, text("observer ", observation.observer, " has no method ", observation.method));
}

class Reader {
 public:
  explicit Reader(const h5::Object& root) : root_(root) {}

  Graph read() {
    read_values();
    if (h5::has_child(root_, "constants")) read_constants(h5::open_group(root_, "constants"));
    check_observations();
    const h5::Object nodes = h5::open_group(root_, "graph");
    read_nodes(nodes);
    graph_.inputs = read_ids(nodes, "inputs", "a model input");
    graph_.outputs = read_ids(nodes, "outputs", "a model output");
    try {
      validate(graph_);
      sort_nodes(graph_);
    } catch (const Error& error) {
      throw Error(error.kind(), text(root_.file, ": ", error.what()));
    }
    return std::move(graph_);
  }

 private:
  // What read(name, group) makes of each group below one, sorted by their attribute `order`. No group stays
  // open: HDF5 takes some kilobytes for each.
  template <typename Read>
  static auto in_order(const h5::Object& parent, const Read& read) {
    using Item = decltype(read(std::string(), parent));
    std::vector<std::pair<int64_t, Item>> found;
    for (const h5::Link& link : h5::children(parent)) {
      const h5::Object group = h5::open_group(parent, link);
      const int64_t order = h5::read_int(group, "order");
      found.emplace_back(order, read(name_of_link(group, link), group));
    }
    std::ranges::stable_sort(found, {}, [](const auto& each) { return each.first; });
    return found;
  }

  // Where messages say a value is: its group, closed.
  static h5::Object closed(const h5::Object& group) { return {nullptr, group.file, group.path}; }

  // Values without what only their constants tell.
  void read_values() {
    std::unordered_set<std::string> constants;
    if (h5::has_child(root_, "constants"))
      for (const h5::Link& link : h5::children(h5::open_group(root_, "constants")))
        constants.insert(unescape_name(link.name).value_or(""));
    const auto read = [&](std::string name, const h5::Object& group) {
      const bool is_constant = constants.contains(name);
      Value value{std::move(name), {}, std::nullopt, {}};
      if (is_constant)
        refuse_other_attributes(group, kConstantValueAttributes);
      else
        value.type = read_type(group);
      if (h5::has_child(group, "observation"))
        value.observation = read_observation(h5::open_group(group, "observation"));
      return std::pair(std::move(value), closed(group));
    };
    for (auto& [order, item] : in_order(h5::open_group(root_, "values"), read)) {
      if (!ids_.emplace(item.first.name, static_cast<ValueId>(graph_.values.size())).second)
        h5::refuse(item.second, "two values have this name");
      graph_.values.push_back(std::move(item.first));
      places_.push_back(std::move(item.second));
    }
  }

  static TensorType read_type(const h5::Object& group) {
    refuse_other_attributes(group, kValueAttributes, kQParamsAttributes);
    TensorType type;
    type.dtype = read_dtype(group);
    try {
      type.shape = make_shape(h5::read_ints(group, "shape"));
    } catch (const Error& error) {
      const std::string what = error.what();
      if (what.starts_with(group.file)) throw;
      h5::refuse(group, text("attribute shape: ", what));
    }
    type.qparams = read_qparams(group, type.dtype);
    return type;
  }

  void read_constants(const h5::Object& parent) {
    for (const h5::Link& link : h5::children(parent)) {
      const h5::Object dataset = h5::open_dataset(parent, link);
      const auto found = ids_.find(name_of_link(dataset, link));
      if (found == ids_.end()) h5::refuse(dataset, text("no group /values/", link.name));
      Value& value = graph_.values[static_cast<size_t>(found->second)];
      if (value.constant) h5::refuse(dataset, "two constants have this name");
      refuse_other_attributes(dataset, kQParamsAttributes, kConstantAttributes);
      value.type = read_tensor_type(dataset);
      value.type.qparams = read_qparams(dataset, value.type.dtype);
      TensorType stored = value.type;
      if (!is_integer(stored.dtype))
        stored.qparams.reset();  // chosen for q-convert, not yet what the elements mean
      value.constant = stored_constant(parent, link, std::move(stored));
    }
  }

  void check_observations() {
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      if (!graph_.values[i].observation) continue;
      places_[i].path += "/observation";
      check_observation(places_[i], graph_.values[i]);
    }
    places_.clear();
  }

  void read_nodes(const h5::Object& parent) {
    const auto read = [&](std::string name, const h5::Object& group) {
      Node node;
      node.name = std::move(name);
      node.op = h5::read_string(group, "op");
      node.inputs = read_ids(group, "inputs", "an input");
      node.outputs = read_ids(group, "outputs", "an output");
      const OpDef* op = find_op(node.op);
      for (const std::string& attribute : h5::attributes(group)) {
        if (attribute == "float_reason")
          node.float_reason = h5::read_string(group, attribute);
        else if (!is_node_attribute(attribute))
          node.attrs.emplace(attribute, adapted(group, attribute, h5::read_attribute(group, attribute), op));
      }
      return node;
    };
    for (auto& [order, node] : in_order(parent, read)) graph_.nodes.push_back(std::move(node));
  }

  std::vector<ValueId> read_ids(const h5::Object& group, const std::string& attribute,
                                std::string_view role) const {
    std::vector<ValueId> ids;
    for (const std::string& name : h5::read_strings(group, attribute)) {
      const auto found = ids_.find(name);
      if (found == ids_.end()) h5::refuse(group, text(role, " is ", name, ", which is not in /values"));
      ids.push_back(found->second);
    }
    return ids;
  }

  const h5::Object root_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> ids_;
  std::vector<h5::Object> places_;  // of the values, for messages
};

}  // namespace

void write_graph(const h5::Object& root, const Graph& graph) {
  const h5::Object nodes = h5::create_group(root, "graph");
  h5::write_attribute(nodes, "inputs", names_of(graph, graph.inputs));
  h5::write_attribute(nodes, "outputs", names_of(graph, graph.outputs));
  for (size_t i = 0; i < graph.nodes.size(); ++i) write_node(nodes, graph, i);
  const h5::Object values = h5::create_group(root, "values");
  for (size_t i = 0; i < graph.values.size(); ++i) write_value(values, graph.values[i], i);
  const h5::Object constants = h5::create_group(root, "constants");
  for (const Value& value : graph.values)
    if (value.constant) write_constant(constants, value);
}

Graph read_graph(const h5::Object& root) { return Reader(root).read(); }

}  // namespace q
