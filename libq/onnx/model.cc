#include "onnx/model.h"

#include <google/protobuf/stubs/logging.h>
#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/guard.h"
#include "base/text.h"
#include "onnx/functions.h"
#include "onnx/mapping.h"
#include "onnx/schema.h"
#include "onnx/shape_eval.h"
#include "onnx/tensor.h"
#include "onnx/upgrade.h"

namespace q {

namespace {

// Older opsets are upgraded to the first one that mappings know.
constexpr int64_t kOldestOpset = 1, kFirstOpset = 7, kLastOpset = 21;
constexpr int64_t kLastIr = 10;  // that of opset 21
constexpr int64_t kFirstIrWithOpsets = 3;

[[noreturn]] void refuse(ErrorKind kind, const std::string& place, const std::string& what) {
  throw Error(kind, text(place, ": ", what));
}

// What `act` throws with the place before it.
template <typename Act>
void at(const std::string& place, const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    refuse(error.kind(), place, error.what());
  }
}

// ---- the file ----

// protobuf writes its opinions to stderr unless it is told where else.
class Silence {
 public:
  Silence() : before_(google::protobuf::SetLogHandler(nullptr)) {}
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() { google::protobuf::SetLogHandler(before_); }

 private:
  google::protobuf::LogHandler* before_;
};

onnx::ModelProto parse(const std::string& path, const std::string& shown) {
  const Silence silence;
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw Error(ErrorKind::kSystem, "is a folder, wanted a file");
  const uint64_t file_bytes = std::filesystem::file_size(path, error);
  if (error) throw Error(ErrorKind::kSystem, error.message());
  if (file_bytes > INT_MAX)  // protobuf counts bytes in int
    throw Error(ErrorKind::kUnsupported, text(file_bytes, " bytes, wanted at most ", INT_MAX,
                                              " and larger weights in external files"));
  std::ifstream file(path, std::ios::binary);
  onnx::ModelProto model;
  const bool parsed = [&] {
    const Reading reading(shown);
    return file && model.ParseFromIstream(&file);
  }();
  if (!file.is_open() || file.bad()) throw Error(ErrorKind::kSystem, std::strerror(errno));
  if (!parsed) throw Error(ErrorKind::kInvalid, "truncated or no ONNX model");
  if (model.ir_version() < 1 || !model.has_graph()) throw Error(ErrorKind::kInvalid, "no ONNX model");
  return model;
}

int64_t opset_of(const onnx::ModelProto& model) {
  const std::string wanted = text(", wanted ", kOldestOpset, " to ", kLastOpset);
  std::optional<int64_t> found;
  for (const onnx::OperatorSetIdProto& import : model.opset_import()) {
    if (!is_onnx_domain(import.domain())) continue;
    if (import.version() < kOldestOpset || import.version() > kLastOpset)
      throw Error(ErrorKind::kUnsupported, text("opset ", import.version(), wanted));
    if (found && *found != import.version())
      throw Error(ErrorKind::kInvalid, text("opsets ", *found, " and ", import.version(), ", wanted one"));
    found = import.version();
  }
  if (!found) throw Error(ErrorKind::kInvalid, text("no opset of ai.onnx", wanted));
  return *found;
}

// ---- inputs ----

void check_name(const std::string& name, std::string_view kind) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (std::any_of(name.begin(), name.end(), is_control))
    throw Error(ErrorKind::kInvalid, text(kind, " ", name, ": a control character in the name, wanted none"));
}

std::string_view kind_of(const onnx::TypeProto& type) {
  switch (type.value_case()) {
    case onnx::TypeProto::kTensorType:
      return "a tensor";
    case onnx::TypeProto::kSequenceType:
      return "a sequence";
    case onnx::TypeProto::kMapType:
      return "a map";
    case onnx::TypeProto::kOptionalType:
      return "optional";
    case onnx::TypeProto::kSparseTensorType:
      return "a sparse tensor";
    default:
      return "of no known type";
  }
}

// All reals are float32 here; integers stay what they are.
DType input_dtype(int type) {
  switch (type) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::DOUBLE:
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
      return DType::kF32;
    case onnx::TensorProto::INT64:
    case onnx::TensorProto::UINT32:
      return DType::kI64;
    case onnx::TensorProto::INT32:
    case onnx::TensorProto::UINT16:
      return DType::kI32;
    case onnx::TensorProto::INT16:
      return DType::kI16;
    case onnx::TensorProto::INT8:
      return DType::kI8;
    case onnx::TensorProto::UINT8:
      return DType::kU8;
    case onnx::TensorProto::BOOL:
      return DType::kBool;
    default:
      throw Error(ErrorKind::kUnsupported,
                  text("type ", type_name(type), ", wanted floats, bool or integers other than uint64"));
  }
}

// Throws, without place, unless it is a tensor of numbers and its rank is known.
OnnxModel::Input read_input(const std::string& name, const onnx::TypeProto& type) {
  if (!type.has_tensor_type())
    throw Error(ErrorKind::kUnsupported, text("is ", kind_of(type), ", wanted a tensor"));
  const onnx::TypeProto::Tensor& tensor = type.tensor_type();
  OnnxModel::Input out{name, {input_dtype(tensor.elem_type()), {}, std::nullopt}, {}};
  if (!tensor.has_shape()) throw Error(ErrorKind::kInvalid, "the shape is not known, wanted one");
  Ints extents;
  for (const onnx::TensorShapeProto::Dimension& dimension : tensor.shape().dim()) {
    if (dimension.has_dim_value() && dimension.dim_value() < 1)
      throw Error(ErrorKind::kInvalid,
                  text("extent ", extents.size(), " is ", dimension.dim_value(), ", wanted at least 1"));
    extents.push_back(dimension.has_dim_value() ? dimension.dim_value() : kFree);
    out.names.push_back(dimension.dim_param());
    check_name(out.names.back(), "extent");
  }
  out.type.shape = make_shape(extents);
  return out;
}

// ---- structure: who makes which value ----

// The graph with names and types of ONNX, so that the graph's own functions can put it in order.
struct Skeleton {
  Graph graph;
  std::unordered_map<std::string, int> index_of;  // node's name to its position in the file
  std::unordered_map<std::string, ValueId> values;
  std::unordered_map<std::string, std::string> makers;  // value → what makes it, for messages
};

ValueId define(Skeleton& skeleton, const std::string& name, const std::string& maker) {
  check_name(name, "value");
  if (name.empty()) refuse(ErrorKind::kInvalid, maker, "has no name");
  const auto [known, is_new] = skeleton.makers.emplace(name, maker);
  if (!is_new)
    refuse(ErrorKind::kInvalid, maker, text("the value ", name, " is also made by ", known->second));
  const ValueId id = static_cast<ValueId>(skeleton.graph.values.size());
  skeleton.graph.values.push_back({.name = name});
  skeleton.values.emplace(name, id);
  return id;
}

std::string type_of(const onnx::NodeProto& node) {
  return is_onnx_domain(node.domain()) ? node.op_type() : text(node.domain(), ".", node.op_type());
}

// Names that tell nodes apart: ONNX lets them be empty or the same.
void name_nodes(Skeleton& skeleton, const onnx::GraphProto& proto) {
  std::unordered_map<std::string, int> copies_of;
  for (int i = 0; i < proto.node_size(); ++i) {
    const onnx::NodeProto& node = proto.node(i);
    check_name(node.name(), "node");
    const std::string base = node.name().empty() ? text(node.op_type(), "_", i) : node.name();
    std::string name = base;
    while (!skeleton.index_of.emplace(name, i).second) {
      int& copies = copies_of.try_emplace(base, 1).first->second;
      name = text(base, ".", ++copies);
    }
    skeleton.graph.nodes.push_back({.op = type_of(node), .name = name});
  }
}

void define_values(Skeleton& skeleton, const onnx::GraphProto& proto) {
  for (const onnx::TensorProto& tensor : proto.initializer())
    define(skeleton, tensor.name(), text("initializer ", tensor.name()));
  for (const onnx::SparseTensorProto& tensor : proto.sparse_initializer())
    refuse(ErrorKind::kUnsupported, text("initializer ", tensor.values().name()),
           "is sparse, wanted a dense tensor");
  std::unordered_set<std::string> listed;
  for (const onnx::ValueInfoProto& input : proto.input()) {
    const std::string place = text("input ", input.name());
    if (!listed.insert(input.name()).second) refuse(ErrorKind::kInvalid, place, "is listed twice");
    // files up to IR version 3 list their weights here too
    if (!skeleton.values.contains(input.name()))
      skeleton.graph.inputs.push_back(define(skeleton, input.name(), place));
  }
  for (size_t i = 0; i < skeleton.graph.nodes.size(); ++i) {
    Node& node = skeleton.graph.nodes[i];
    for (const std::string& output : proto.node(static_cast<int>(i)).output())
      if (!output.empty()) node.outputs.push_back(define(skeleton, output, text("node ", node.name)));
  }
}

void connect(Skeleton& skeleton, const onnx::GraphProto& proto) {
  const auto id_of = [&](const std::string& place, const std::string& name) {
    const auto found = skeleton.values.find(name);
    if (found == skeleton.values.end())
      refuse(ErrorKind::kInvalid, place, "made by no node, wanted one that makes it");
    return found->second;
  };
  for (size_t i = 0; i < skeleton.graph.nodes.size(); ++i) {
    Node& node = skeleton.graph.nodes[i];
    for (const std::string& input : proto.node(static_cast<int>(i)).input())
      if (!input.empty()) node.inputs.push_back(id_of(text("node ", node.name, ": input ", input), input));
  }
  std::unordered_set<std::string> listed;
  for (const onnx::ValueInfoProto& output : proto.output()) {
    const std::string place = text("output ", output.name());
    if (!listed.insert(output.name()).second) refuse(ErrorKind::kInvalid, place, "is listed twice");
    skeleton.graph.outputs.push_back(id_of(place, output.name()));
  }
  if (skeleton.graph.inputs.empty()) throw Error(ErrorKind::kInvalid, "no inputs, wanted at least one");
  if (skeleton.graph.outputs.empty()) throw Error(ErrorKind::kInvalid, "no outputs, wanted at least one");
}

Skeleton skeleton_of(const onnx::GraphProto& proto, Changes& changes) {
  Skeleton skeleton;
  name_nodes(skeleton, proto);
  define_values(skeleton, proto);
  connect(skeleton, proto);
  sort_nodes(skeleton.graph);
  std::vector<std::string> before;
  for (const Node& node : skeleton.graph.nodes) before.push_back(node.name);
  remove_unused(skeleton.graph);
  size_t kept = 0;
  for (const std::string& name : before) {
    if (kept < skeleton.graph.nodes.size() && skeleton.graph.nodes[kept].name == name)
      ++kept;
    else
      changes.push_back({"unused", name, "removed: no output depends on it"});
  }
  return skeleton;
}

// ---- operators ----

// One error for all nodes whose type nothing here knows.
void check_supported(const Graph& graph, int64_t opset) {
  const Node* first = nullptr;
  std::map<std::string, int> others;
  int count = 0;
  for (const Node& node : graph.nodes) {
    if (node.op == "Constant" || is_shape_type(node.op) || has_operator(node.op, opset)) continue;
    if (first == nullptr) {
      first = &node;
      continue;
    }
    ++others[node.op];
    ++count;
  }
  if (first == nullptr) return;
  const bool is_standard = first->op.find('.') == std::string::npos;
  std::string what =
      text("operator ", first->op, is_standard ? text(" (opset ", opset, ")") : "", " is not supported");
  if (count > 0) {
    what += text(", nor ", count == 1 ? "is 1 more node: " : text("are ", count, " more nodes: "));
    for (const auto& [type, number_of] : others)
      what += text(type == others.begin()->first ? "" : ", ", number_of, " ", type);
  }
  refuse(ErrorKind::kUnsupported, text("node ", first->name), what);
}

void read_attribute(const onnx::AttributeProto& from, const std::optional<std::string>& folder,
                    OnnxNode& to) {
  using Kind = onnx::AttributeProto;
  const std::string& name = from.name();
  if (to.attrs.contains(name) || to.tensor_attrs.contains(name))
    throw Error(ErrorKind::kInvalid, "is given twice");
  switch (from.type()) {
    case Kind::INT:
      to.attrs[name] = from.i();
      return;
    case Kind::FLOAT:
      to.attrs[name] = static_cast<double>(from.f());
      return;
    case Kind::STRING:
      to.attrs[name] = from.s();
      return;
    case Kind::STRINGS: {  // joined: only activations of recurrent layers are such lists
      std::string joined;
      for (const std::string& each : from.strings()) joined += text(joined.empty() ? "" : ",", each);
      to.attrs[name] = std::move(joined);
      return;
    }
    case Kind::INTS:
      to.attrs[name] = Ints(from.ints().begin(), from.ints().end());
      return;
    case Kind::FLOATS:
      to.attrs[name] = Floats(from.floats().begin(), from.floats().end());
      return;
    case Kind::TENSOR:
      to.tensor_attrs[name] = read_tensor(from.t(), folder);
      return;
    default: {
      const std::string kind = Kind::AttributeType_Name(from.type());
      throw Error(ErrorKind::kUnsupported, text("of type ", kind, ", wanted numbers, a string or a tensor"));
    }
  }
}

// What an operator got since: an input, which makes so many (0: none), or an attribute. Its mapping knows it.
struct Addition {
  std::string_view type;
  int64_t since;
  int inputs;
  std::string_view attribute;
};

constexpr Addition kAdditions[] = {
    {"ReduceL1", 18, 2, "noop_with_empty_axes"},  // axes, as those that follow
    {"ReduceL2", 18, 2, "noop_with_empty_axes"},
    {"ReduceLogSum", 18, 2, "noop_with_empty_axes"},
    {"ReduceLogSumExp", 18, 2, "noop_with_empty_axes"},
    {"ReduceMax", 18, 2, "noop_with_empty_axes"},
    {"ReduceMean", 18, 2, "noop_with_empty_axes"},
    {"ReduceMin", 18, 2, "noop_with_empty_axes"},
    {"ReduceProd", 18, 2, "noop_with_empty_axes"},
    {"ReduceSumSquare", 18, 2, "noop_with_empty_axes"},
    {"Pad", 18, 4, ""},  // axes
    {"AveragePool", 19, 0, "dilations"},
    {"Cast", 19, 0, "saturate"},
};

// The node as it was until the last schemas that are known.
onnx::NodeProto without(onnx::NodeProto node, const Addition& addition) {
  if (addition.inputs > 0 && node.input_size() == addition.inputs) node.mutable_input()->RemoveLast();
  for (int i = node.attribute_size(); i-- > 0;)
    if (node.attribute(i).name() == addition.attribute) node.mutable_attribute()->DeleteSubrange(i, 1);
  return node;
}

// What ONNX itself demands of a node: number of inputs, attributes and their types.
void check_schema(const onnx::NodeProto& node, int64_t opset) {
  // a written-out QLinearConv has an axis, whatever the opset
  if (node.op_type() == "DequantizeLinear") opset = std::max<int64_t>(opset, 13);
  onnx::checker::CheckerContext context;
  context.set_ir_version(onnx::IR_VERSION);
  context.set_opset_imports({{"", static_cast<int>(std::min(opset, kLastSchemas))}});
  if (schema_of(node.op_type(), opset) == nullptr) return;  // its mapping checks it
  const auto* addition = std::ranges::find_if(
      kAdditions, [&](const Addition& each) { return each.type == node.op_type() && opset >= each.since; });
  try {
    if (addition == std::end(kAdditions))
      onnx::checker::check_node(node, context, {});
    else
      onnx::checker::check_node(without(node, *addition), context, {});
  } catch (const std::exception& error) {
    // the first line tells what, the others where
    const std::string_view what = error.what();
    throw Error(ErrorKind::kInvalid, std::string(what.substr(0, what.find('\n'))));
  }
}

// The node leaves the message when it has been read, so that its tensors are not held twice.
OnnxModel::Node read_node(onnx::NodeProto& from, const std::string& name, int64_t opset,
                          const std::optional<std::string>& folder) {
  OnnxModel::Node out;
  out.node = {.type = from.op_type(), .name = name, .opset = opset};
  for (const onnx::AttributeProto& attribute : from.attribute())
    at(text("attribute ", attribute.name()), [&] { read_attribute(attribute, folder, out.node); });
  from.clear_domain();  // the checker knows ai.onnx by no name only
  check_schema(from, opset);
  out.inputs = {from.input().begin(), from.input().end()};
  out.outputs = {from.output().begin(), from.output().end()};
  out.node.outputs = std::ssize(out.outputs);
  onnx::NodeProto().Swap(&from);  // Clear() would keep the memory
  return out;
}

// The initializers that are still used. Each leaves the message when it has been read, so that weights are
// not held twice.
void read_constants(onnx::GraphProto& proto, const Graph& used, const std::optional<std::string>& folder,
                    OnnxModel& model) {
  std::unordered_set<std::string_view> names;
  for (const Value& value : used.values) names.insert(value.name);
  for (onnx::TensorProto& tensor : *proto.mutable_initializer()) {
    if (names.contains(tensor.name()))
      at(text("initializer ", tensor.name()),
         [&] { model.constants.emplace(tensor.name(), read_tensor(tensor, folder)); });
    onnx::TensorProto().Swap(&tensor);
  }
}

}  // namespace

OnnxModel read_onnx_model(const std::string& path, const std::string& shown, Changes& changes) {
  onnx::ModelProto proto = parse(path, shown);
  if (proto.ir_version() < kFirstIrWithOpsets && proto.opset_import().empty())
    proto.add_opset_import()->set_version(kOldestOpset);
  int64_t opset = opset_of(proto);
  if (proto.ir_version() > kLastIr)
    changes.push_back({"new ir_version", "the model",
                       text("is ", proto.ir_version(), ", the last known is ", kLastIr), true});
  if (opset < kFirstOpset) {
    const Reading reading(shown);
    proto = upgraded(proto, kFirstOpset);
    changes.push_back({"old opset", "", text("upgraded from ", opset, " to ", kFirstOpset)});
    opset = kFirstOpset;
  }
  inline_functions(proto, opset, changes);
  std::optional<std::string> folder;
  if (path == shown) folder = std::filesystem::path(path).parent_path().string();

  const Skeleton skeleton = skeleton_of(proto.graph(), changes);
  check_supported(skeleton.graph, opset);
  OnnxModel model;
  for (const onnx::ValueInfoProto& input : proto.graph().input()) {
    const auto is_it = [&](ValueId id) {
      return skeleton.graph.values[static_cast<size_t>(id)].name == input.name();
    };
    if (!std::any_of(skeleton.graph.inputs.begin(), skeleton.graph.inputs.end(), is_it)) continue;
    at(text("input ", input.name()), [&] { model.inputs.push_back(read_input(input.name(), input.type())); });
    const int type = input.type().tensor_type().elem_type();
    if (model.inputs.back().type.dtype == DType::kF32 && type != onnx::TensorProto::FLOAT)
      changes.push_back({"as float32", input.name(), text("its type in the file is ", type_name(type))});
  }
  for (ValueId id : skeleton.graph.outputs)
    model.outputs.push_back(skeleton.graph.values[static_cast<size_t>(id)].name);
  for (const Node& node : skeleton.graph.nodes) {
    onnx::NodeProto& from = *proto.mutable_graph()->mutable_node(skeleton.index_of.at(node.name));
    at(text("node ", node.name), [&] { model.nodes.push_back(read_node(from, node.name, opset, folder)); });
  }
  read_constants(*proto.mutable_graph(), skeleton.graph, folder, model);
  return model;
}

}  // namespace q
