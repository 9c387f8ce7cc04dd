// The nodes of an ONNX model, one after the other, as nodes of our graph.
#include "onnx/builder.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/text.h"
#include "onnx/mapping.h"
#include "onnx/quantized.h"
#include "onnx/schema.h"
#include "onnx/shape_eval.h"
#include "onnx/tensor.h"
#include "ops/shared/evaluate.h"
#include "ops/shared/samples.h"
#include "q/quant.h"

namespace q {

namespace {

// Elements a folded constant may have if that is more than its operands: a few bytes of model must not ask
// for all memory.
constexpr int64_t kMostFolded = int64_t{1} << 24;

// What is known of a value of the ONNX graph.
struct Known {
  TensorType type;
  std::optional<Tensor> constant;
  std::optional<IntVector> ints;  // of an i64 vector, with or without the number of samples in it
  ValueId id = kNone;             // in our graph; a constant gets one when a node first needs it
  // A constant of one sample that stands for as many as there are.
  bool is_repeated = false;
  bool is_integer = false;  // in the file
};

Known known_constant(Tensor tensor) {
  Known out{
      .type = tensor.type, .ints = int_vector_of(tensor), .is_integer = tensor.type.dtype != DType::kF32};
  out.constant = std::move(tensor);
  return out;
}

Known known_ints(IntVector ints) {
  if (!counts_samples(ints)) return known_constant(tensor_of(ints));
  const int64_t count = static_cast<int64_t>(ints.extents.size());
  return {.type = {DType::kI64, ints.is_scalar ? Shape{} : Shape{count}, std::nullopt},
          .ints = std::move(ints),
          .is_integer = true};
}

// Builds our graph from a model, node by node, as every mapping needs the shapes before it.
class Builder {
 public:
  // batch: OnnxNode::batch
  Builder(const OnnxModel& model, int64_t batch, Changes& changes)
      : model_(model), batch_(batch), changes_(changes) {}
  Graph build();

 private:
  void add_inputs();
  void add_node(const OnnxModel::Node& from);
  void add_outputs();
  std::string absent_output(const std::string& name) const;
  Tensor constant_of_node(const OnnxNode& node) const;
  std::vector<const Known*> inputs_of(const OnnxModel::Node& from) const;
  bool add_repeated(const OnnxModel::Node& from, const std::vector<const Known*>& in);
  bool add_shape_node(const OnnxModel::Node& from, const std::vector<const Known*>& in);
  void check_repeated(const OnnxModel::Node& from, const std::vector<const Known*>& in) const;
  OnnxNode with_inputs(const OnnxModel::Node& from, const std::vector<const Known*>& in) const;
  bool add_quantization(const OnnxModel::Node& from, const std::vector<const Known*>& in);
  void add_quantize(const OnnxModel::Node& from, const OnnxNode& node);
  void add_dequantize(const OnnxModel::Node& from, const OnnxNode& node);
  void append(std::string_view op, const OnnxModel::Node& from, TensorType type);
  bool fold(const MappedNode& mapped, const OnnxModel::Node& from, std::span<const Shape> out);
  void make_reals(MappedNode& mapped);
  ValueId cast(ValueId from, const std::string& name);
  std::string output_name(const OnnxModel::Node& from, size_t index);
  ValueId value_of(const OnnxNode::Input& input, const std::string& fallback_name);
  void define_constant(const std::string& name, Known known);

  const OnnxModel& model_;
  const int64_t batch_;
  Changes& changes_;
  Graph graph_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_set<std::string> names_;  // of values in the graph, and of those that will come
  std::unordered_map<std::string, std::string>
      computed_by_;  // constants, and the nodes they were folded from
};

Graph Builder::build() {
  for (const auto& [name, tensor] : model_.constants) known_.emplace(name, known_constant(tensor));
  for (const OnnxModel::Node& node : model_.nodes) names_.insert(node.outputs.begin(), node.outputs.end());
  add_inputs();
  for (const OnnxModel::Node& node : model_.nodes) {
    try {
      add_node(node);
    } catch (const Error& error) {
      throw Error(error.kind(), text("node ", node.node.name, ": ", error.what()));
    }
  }
  add_outputs();
  validate(graph_);
  return std::move(graph_);
}

void Builder::add_inputs() {
  for (const OnnxModel::Input& input : model_.inputs) {
    const TensorType& type = input.type;
    const ValueId id = static_cast<ValueId>(graph_.values.size());
    graph_.values.push_back({.name = input.name, .type = type});
    graph_.inputs.push_back(id);
    known_[input.name] = {.type = type, .id = id, .is_integer = type.dtype != DType::kF32};
    names_.insert(input.name);
  }
}

// What is wrong with an output that no node of ours computes.
std::string Builder::absent_output(const std::string& name) const {
  for (const OnnxModel::Node& node : model_.nodes)
    for (size_t i = 1; i < node.outputs.size(); ++i)
      if (node.outputs[i] == name && !known_.contains(name))
        return text("is output ", i + 1, " of node ", node.node.name, ", a ", node.node.type,
                    ", of which only the first is computed");
  if (!known_.contains(name)) return "is not computed";
  return known_.at(name).ints ? "counts samples" : "is an input of the model";
}

void Builder::add_outputs() {
  for (const std::string& name : model_.outputs) {
    const auto found = known_.find(name);
    if (found != known_.end() && found->second.constant) {
      changes_.push_back({"constant output", name, "left out: it is the same for all inputs", true});
      continue;
    }
    const ValueId id = found == known_.end() ? kNone : found->second.id;
    if (id == kNone || std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end())
      throw Error(ErrorKind::kUnsupported, text("output ", name, ": ", absent_output(name),
                                                ", wanted one that is computed from the inputs"));
    const Shape& shape = found->second.type.shape;
    if (takes_any_batch(graph_) && free_axis(shape) != 0)
      throw Error(ErrorKind::kUnsupported,
                  text("output ", name, ": is ", to_string(shape), ", wanted the samples first"));
    graph_.outputs.push_back(id);
  }
  if (graph_.outputs.empty()) throw Error(ErrorKind::kUnsupported, "all outputs are constants");
}

// The value of an ONNX Constant.
Tensor Builder::constant_of_node(const OnnxNode& node) const {
  const auto value = node.tensor_attrs.find("value");
  if (value != node.tensor_attrs.end()) return value->second;
  const auto numbers = [&](const Shape& shape, const Floats& reals) {
    return make_tensor(shape, std::vector<float>(reals.begin(), reals.end()));
  };
  const auto vector_of = [](const auto& list) { return Shape{static_cast<int64_t>(list.size())}; };
  for (const auto& [name, attr] : node.attrs) {
    if (const auto* real = std::get_if<double>(&attr)) return numbers({}, {*real});
    if (const auto* reals = std::get_if<Floats>(&attr)) return numbers(vector_of(*reals), *reals);
    if (const auto* integer = std::get_if<int64_t>(&attr)) return tensor_of({{{*integer}}, true});
    const auto* integers = std::get_if<Ints>(&attr);
    if (integers == nullptr) continue;
    IntVector out;
    for (int64_t i : *integers) out.extents.push_back({i});
    return tensor_of(out);
  }
  throw Error(ErrorKind::kUnsupported, "its value is a string, wanted numbers");
}

// Per input what is known of it, null where left out.
std::vector<const Known*> Builder::inputs_of(const OnnxModel::Node& from) const {
  std::vector<const Known*> out;
  for (const std::string& name : from.inputs) {
    const auto found = name.empty() ? known_.end() : known_.find(name);
    if (found == known_.end() && !name.empty())
      throw Error(ErrorKind::kUnsupported,
                  text("input ", name, ": a second output of its node, wanted the first"));
    out.push_back(name.empty() ? nullptr : &found->second);
  }
  return out;
}

void Builder::define_constant(const std::string& name, Known known) {
  names_.erase(name);  // free for the constant itself, should it get into the graph
  known_[name] = std::move(known);
}

// Constants made as large as there are samples: one sample of them is known here.
bool Builder::add_repeated(const OnnxModel::Node& from, const std::vector<const Known*>& in) {
  const bool fills = from.node.type == "ConstantOfShape", expands = from.node.type == "Expand";
  if (!(fills && in.size() == 1) && !(expands && in.size() == 2 && in[0] != nullptr && in[0]->constant))
    return false;
  const Known* target = in.back();
  if (target == nullptr || !target->ints || !counts_samples(*target->ints)) return false;
  const IntVector one = of_one_sample(*target->ints);
  Known result;
  if (fills) {
    const ShapeInput shape{&target->type.shape, &one};
    result = known_constant(std::get<Tensor>(evaluate_shape(from.node, {&shape, 1}).value()));
  } else {
    OnnxNode node = from.node;
    const Tensor extents = tensor_of(one);
    node.inputs = {{.type = in[0]->type, .constant = in[0]->constant, .name = from.inputs[0]},
                   {.type = extents.type, .constant = extents, .name = from.inputs[1]}};
    const std::optional<MappedNode> mapped = map_node(node);
    if (!mapped) return false;
    result = known_constant(evaluate(*mapped->op, mapped->node.attrs, {{*in[0]->constant}}).at(0));
  }
  result.is_repeated = true;
  define_constant(from.outputs.at(0), std::move(result));
  return true;
}

// Takes nodes that compute integers from shapes; their result is known here, and no node of ours.
bool Builder::add_shape_node(const OnnxModel::Node& from, const std::vector<const Known*>& in) {
  if (add_repeated(from, in)) return true;
  std::vector<ShapeInput> shapes;
  for (const Known* known : in) {
    if (known == nullptr)
      shapes.push_back({});
    else
      shapes.push_back({&known->type.shape, known->ints ? &*known->ints : nullptr});
  }
  auto result = evaluate_shape(from.node, shapes);
  if (!result) return false;
  if (auto* ints = std::get_if<IntVector>(&*result))
    define_constant(from.outputs.at(0), known_ints(std::move(*ints)));
  else
    define_constant(from.outputs.at(0), known_constant(std::get<Tensor>(std::move(*result))));
  return true;
}

// True of an input that gives extents of the output, which may be as open as those of the data.
bool is_shape(std::string_view type, size_t index) {
  return (type == "Expand" && index == 1) || (type == "Resize" && index == 3);
}

// The node as mappings take it.
OnnxNode Builder::with_inputs(const OnnxModel::Node& from, const std::vector<const Known*>& in) const {
  OnnxNode node = from.node;
  node.batch = batch_;
  for (size_t i = 0; i < in.size(); ++i) {
    OnnxNode::Input input{.absent = in[i] == nullptr, .name = from.inputs[i]};
    if (in[i] != nullptr) {
      input.type = in[i]->type;
      input.constant = in[i]->constant;
      const bool is_real = takes_reals(node.type, node.opset, i) && node.type != "OneHot";
      if (input.constant && is_real && input.type.dtype != DType::kF32) {
        input.constant = as_reals(*input.constant, text("input ", input.name));
        input.type.dtype = DType::kF32;
      }
      if (node.type == "Reshape" && i == 1 && in[i]->ints && in[0] != nullptr) {
        input.constant = reshape_target(*in[i]->ints, in[0]->type.shape);
      } else if (is_shape(node.type, i) && in[i]->ints) {
        input.constant = free_extents(*in[i]->ints);
      } else if (in[i]->ints && !in[i]->constant) {
        throw Error(ErrorKind::kUnsupported,
                    text("input ", input.name, ": counts samples, wanted fixed numbers"));
      }
    }
    node.inputs.push_back(std::move(input));
  }
  return node;
}

// Integers are computed with as reals: the same numbers, unless a fraction would be cut off.
void check_no_truncation(std::string_view type, const std::vector<const Known*>& in) {
  constexpr std::string_view kDividers[] = {"Div", "Mean", "ReduceMean"};
  if (std::ranges::find(kDividers, type) != std::end(kDividers) && !in.empty() && in[0] != nullptr &&
      in[0]->is_integer)
    throw Error(ErrorKind::kUnsupported, "divides integers and drops the fraction, wanted reals");
}

// Whether output `index` of a node is of integers in the file.
bool gives_integers(const OnnxModel::Node& from, const std::vector<const Known*>& in, size_t index) {
  constexpr int64_t kFloats[] = {1, 10, 11, 16};  // onnx.TensorProto.DataType
  const OnnxNode& node = from.node;
  if (node.type == "Cast") return std::ranges::find(kFloats, attr_int(node.attrs, "to")) == std::end(kFloats);
  if (!gives_reals(node.type, node.opset, index)) return true;
  const int same = input_of_same_type(node.type, node.opset, index);
  const size_t input = static_cast<size_t>(same);
  return same != kNone && input < in.size() && in[input] != nullptr && in[input]->is_integer;
}

// What is repeated for every sample may only meet operands that have samples, as one of them does: there its
// extent of 1 gives what any number would.
void Builder::check_repeated(const OnnxModel::Node& from, const std::vector<const Known*>& in) const {
  constexpr std::string_view kTakers[] = {"Add", "Sub", "Mul", "Div",  "Concat", "Where",
                                          "Min", "Max", "Pow", "LSTM", "GRU",    "RNN"};
  const auto has_samples = [](const Known* known) {
    return known != nullptr && free_axis(known->type.shape) != kNone;
  };
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] == nullptr || !in[i]->is_repeated) continue;
    if (std::ranges::find(kTakers, from.node.type) == std::end(kTakers) ||
        std::ranges::none_of(in, has_samples))
      throw Error(ErrorKind::kUnsupported,
                  text("input ", from.inputs[i],
                       ": has as many elements as there are samples, wanted it beside "
                       "an operand that has samples"));
  }
}

// The type that a Cast node wants, as messages say it.
std::string target(const OnnxNode& node) {
  const auto to = node.attrs.find("to");
  if (to == node.attrs.end() || !std::holds_alternative<int64_t>(to->second)) return "";
  return text(" to ", type_name(static_cast<int>(std::get<int64_t>(to->second))));
}

// The operators that take other nodes of that ONNX type.
std::string others_of(std::string_view type) {
  std::string out;
  for (const OpDef* op : ops())
    if (std::ranges::find(op->onnx, type, &OnnxName::type) != op->onnx.end())
      out += text(out.empty() ? "" : ", ", op->name);
  return out.empty() ? "" : text("; others become ", out);
}

// What a message says of the operands of a node that nothing takes.
std::string operands(const OnnxNode& node) {
  std::string out;
  for (const OnnxNode::Input& input : node.inputs) {
    if (input.absent) continue;
    out += text(out.empty() ? " of " : ", ", input.constant ? "constant " : "", name_of(input.type.dtype),
                " ", to_string(input.type.shape));
  }
  return out;
}

// Every operator may rely on extents whose sums int64 can hold.
void check_operand(const OnnxNode::Input& input, size_t index) {
  constexpr int64_t kMostExtent = std::numeric_limits<int32_t>::max();
  const std::string place = input.name.empty() ? text("input ", index + 1) : text("input ", input.name);
  for (int64_t extent : input.type.shape.extents())
    if (extent == 0 || extent > kMostExtent)
      throw Error(ErrorKind::kInvalid, text(place, ": is ", to_string(input.type.shape),
                                            ", wanted extents of 1 to ", kMostExtent));
}

void Builder::add_node(const OnnxModel::Node& from) {
  if (from.node.type == "Constant")
    return define_constant(from.outputs.at(0), known_constant(constant_of_node(from.node)));
  const std::vector<const Known*> in = inputs_of(from);
  if (add_shape_node(from, in) || add_quantization(from, in)) return;

  check_repeated(from, in);
  check_no_truncation(from.node.type, in);
  const OnnxNode wanted = with_inputs(from, in);
  std::optional<MappedNode> mapped = map_node(wanted);
  if (!mapped)
    throw Error(ErrorKind::kUnsupported,
                text("operator ", from.node.type, target(wanted), " (opset ", from.node.opset, ")",
                     operands(wanted), " is not supported", others_of(from.node.type)));
  if (const std::string to = target(wanted);
      wanted.type == "Cast" && to != " to float" && mapped->op->name != "to_bool")
    changes_.push_back({"as float32", from.node.name, text("casts", to, " in the file")});
  make_reals(*mapped);
  std::vector<TensorType> types;
  for (size_t i = 0; i < mapped->node.inputs.size(); ++i) {
    check_operand(mapped->node.inputs[i], i);
    types.push_back(mapped->node.inputs[i].type);
  }
  const std::vector<Shape> shapes = mapped->op->infer(mapped->node.attrs, types);
  check_samples(*mapped->op, mapped->node.attrs, types, shapes);
  if (fold(*mapped, from, shapes)) return;

  Node node{.op = std::string(mapped->op->name), .name = from.node.name, .attrs = mapped->node.attrs};
  for (size_t i = 0; i < mapped->node.inputs.size(); ++i)
    node.inputs.push_back(value_of(mapped->node.inputs[i], text(node.name, ".", i + 1)));
  for (size_t i = 0; i < shapes.size(); ++i) {
    const ValueId id = static_cast<ValueId>(graph_.values.size());
    const TensorType type{DType::kF32, shapes[i], std::nullopt};
    const std::string name = output_name(from, i);
    graph_.values.push_back({.name = name, .type = type});
    known_[name] = {.type = type, .id = id, .is_integer = gives_integers(from, in, i)};
    node.outputs.push_back(id);
  }
  graph_.nodes.push_back(std::move(node));
}

// ---- integers with a scale ----

bool Builder::add_quantization(const OnnxModel::Node& from, const std::vector<const Known*>& in) {
  if (from.node.type != "QuantizeLinear" && from.node.type != "DequantizeLinear") return false;
  const OnnxNode node = with_inputs(from, in);
  if (node.inputs.size() < 2 || node.inputs[0].absent || node.inputs[1].absent)
    throw Error(ErrorKind::kInvalid, "has no scale, wanted one");
  from.node.type == "QuantizeLinear" ? add_quantize(from, node) : add_dequantize(from, node);
  return true;
}

// A node of one input and one output.
void Builder::append(std::string_view op, const OnnxModel::Node& from, TensorType type) {
  const ValueId id = static_cast<ValueId>(graph_.values.size());
  graph_.nodes.push_back({.op = std::string(op),
                          .name = from.node.name,
                          .inputs = {known_.at(from.inputs[0]).id},
                          .outputs = {id}});
  known_[from.outputs.at(0)] = {.type = type, .id = id};
  graph_.values.push_back({.name = from.outputs[0], .type = std::move(type)});
}

void Builder::add_quantize(const OnnxModel::Node& from, const OnnxNode& node) {
  const OnnxNode::Input& x = node.inputs[0];
  if (x.type.dtype != DType::kF32)
    throw Error(ErrorKind::kUnsupported, text("input ", x.name, ": ", name_of(x.type.dtype), ", wanted f32"));
  const DType dtype = onnx_quantized_type(node);
  const QParams qparams = onnx_qparams(node, dtype, x.type.shape);
  if (x.constant)
    return define_constant(from.outputs.at(0), known_constant(quantize(x.constant->view(), dtype, qparams)));
  if (qparams.scales.size() > 1)
    throw Error(ErrorKind::kUnsupported,
                text(qparams.scales.size(), " scales for what is computed, wanted one"));
  append("quantize", from, {dtype, x.type.shape, qparams});
}

void Builder::add_dequantize(const OnnxModel::Node& from, const OnnxNode& node) {
  const OnnxNode::Input& x = node.inputs[0];
  if (x.constant) return define_constant(from.outputs.at(0), known_constant(onnx_dequantized(node)));
  if (x.type.dtype != DType::kU8 && x.type.dtype != DType::kI8)
    throw Error(ErrorKind::kUnsupported,
                text("input ", x.name, ": ", name_of(x.type.dtype), ", wanted u8 or i8"));
  const QParams qparams = onnx_qparams(node, x.type.dtype, x.type.shape);
  if (qparams.scales.size() > 1)
    throw Error(ErrorKind::kUnsupported,
                text(qparams.scales.size(), " scales for what is computed, wanted one"));
  if (!x.type.qparams) {  // an input of the model, which comes as integers
    known_.at(x.name).type.qparams = qparams;
    graph_.values[static_cast<size_t>(known_.at(x.name).id)].type.qparams = qparams;
  } else if (*x.type.qparams != qparams) {
    throw Error(ErrorKind::kUnsupported,
                text("input ", x.name, " was made with scale ", number(x.type.qparams->scales[0]),
                     ", wanted that one, not ", number(qparams.scales[0])));
  }
  append("dequantize", from, {DType::kF32, x.type.shape, std::nullopt});
}

// Operands that the operator wants as reals, and are integers in the file.
void Builder::make_reals(MappedNode& mapped) {
  const OpDef& op = *mapped.op;
  for (size_t i = 0; i < mapped.node.inputs.size(); ++i) {
    OnnxNode::Input& input = mapped.node.inputs[i];
    if (input.type.dtype == DType::kF32 || op.takes_integers || static_cast<int>(i) == op.indices) continue;
    if (input.constant) {
      input.constant = as_reals(*input.constant, text("input ", input.name));
    } else {
      const std::string name = text(input.name, ".float32");
      if (!known_.contains(name)) {
        const ValueId id = cast(value_of(input, ""), name);
        known_[name] = {.type = graph_.values[static_cast<size_t>(id)].type, .id = id, .is_integer = true};
      }
      input.name = name;
    }
    input.type.dtype = DType::kF32;
  }
}

ValueId Builder::cast(ValueId from, const std::string& name) {
  Value& source = graph_.values[static_cast<size_t>(from)];
  const ValueId id = static_cast<ValueId>(graph_.values.size());
  names_.insert(name);
  changes_.push_back({"as float32", source.name, text("is ", name_of(source.type.dtype), " in the file")});
  graph_.nodes.push_back({.op = "cast", .name = name, .inputs = {from}, .outputs = {id}});
  graph_.values.push_back({.name = name, .type = {DType::kF32, source.type.shape, std::nullopt}});
  return id;
}

// The name of an output of ours; the file may leave it out.
std::string Builder::output_name(const OnnxModel::Node& from, size_t index) {
  if (index < from.outputs.size() && !from.outputs[index].empty()) return from.outputs[index];
  const std::string base = text(from.node.name, ".output", index + 1);
  std::string name = base;
  for (int copy = 2; !names_.insert(name).second; ++copy) name = text(base, ".", copy);
  return name;
}

// Computes the node now if it depends on constants alone.
bool Builder::fold(const MappedNode& mapped, const OnnxModel::Node& from, std::span<const Shape> out) {
  int rank = 0;
  int64_t most = kMostFolded;
  std::vector<Tensor> in;
  for (const OnnxNode::Input& input : mapped.node.inputs) {
    if (!input.constant) return false;
    rank = std::max(rank, input.type.shape.rank);
    most = std::max(most, elements(input.type.shape));
    in.push_back(*input.constant);
  }
  if (!can_evaluate(*mapped.op, rank)) return false;
  for (const Shape& shape : out)
    if (elements(shape) > most) return false;
  std::vector<Tensor> results = evaluate(*mapped.op, mapped.node.attrs, in);
  for (size_t i = 0; i < results.size() && i < from.outputs.size(); ++i) {
    const std::string& name = from.outputs[i];
    if (name.empty()) continue;
    define_constant(name, known_constant(std::move(results[i])));
    computed_by_[name] = from.node.name;
    changes_.push_back({"constant", from.node.name, text("computed ", name)});
  }
  return true;
}

// How the integers of a weight are chosen that the file gives.
Observation chosen(const QParams& qparams) {
  Observation out;
  out.spec = {.dtype = DType::kI8,
              .scheme = qparams.scheme,
              .axis = qparams.axis,
              .quant_min = qparams.quant_min,
              .quant_max = qparams.quant_max};
  out.observer.clear();
  out.method = "fixed";
  return out;
}

// The id of an operand. A constant enters the graph here; one that a mapping has changed is a constant of its
// own.
ValueId Builder::value_of(const OnnxNode::Input& input, const std::string& fallback_name) {
  const auto found = known_.find(input.name);
  Known* known = found == known_.end() ? nullptr : &found->second;
  if (!input.constant) {
    if (known == nullptr || known->id == kNone)
      throw Error(ErrorKind::kInvalid, text("input ", input.name, ": no value"));
    return known->id;
  }
  const bool unchanged = known != nullptr && known->constant &&
                         known->constant->data == input.constant->data &&
                         known->constant->type == input.constant->type;
  if (unchanged && known->id != kNone) return known->id;
  const std::string base = input.name.empty() ? fallback_name : input.name;
  // those of the file are left to who writes it
  if (const auto maker = computed_by_.find(input.name);
      maker != computed_by_.end() && !all_finite(*input.constant))
    throw Error(ErrorKind::kInvalid,
                text("input ", base, ", computed by node ", maker->second, ": holds NaN or infinity"));
  std::string name = base;
  for (int copy = 2; !names_.insert(name).second; ++copy) name = text(base, ".", copy);
  const ValueId id = static_cast<ValueId>(graph_.values.size());
  graph_.values.push_back(
      {.name = name, .type = input.constant->type, .constant = constant_of(*input.constant)});
  if (const std::optional<QParams>& qparams = input.constant->type.qparams;
      qparams && input.constant->type.dtype == DType::kF32)
    graph_.values.back().observation = chosen(*qparams);
  if (unchanged) known->id = id;
  return id;
}

}  // namespace

Graph built_graph(const OnnxModel& model, int64_t batch, Changes& changes) {
  return Builder(model, batch, changes).build();
}

}  // namespace q
