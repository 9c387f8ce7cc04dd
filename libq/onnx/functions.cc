#include "onnx/functions.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "onnx/mapping.h"
#include "onnx/quantized.h"
#include "onnx/schema.h"
#include "onnx/shape_eval.h"
#include "q/error.h"

namespace q {

namespace {

using onnx::FunctionProto;
using onnx::NodeProto;

constexpr int kDeepest = 64;         // functions that call functions
constexpr int kMostNodes = 100'000;  // a few bytes of functions must not ask for all memory

bool is_known(const NodeProto& node, int64_t opset) {
  return is_onnx_domain(node.domain()) && (node.op_type() == "Constant" || is_shape_type(node.op_type()) ||
                                           has_operator(node.op_type(), opset));
}

// What has become of a function's own names at one call.
class Call {
 public:
  // schema: of a function of ONNX; null for one of the model.
  Call(const NodeProto& caller, const FunctionProto& function, const onnx::OpSchema* schema,
       std::string prefix)
      : caller_(caller), schema_(schema), prefix_(std::move(prefix)) {
    for (int i = 0; i < function.input_size(); ++i)
      names_[function.input(i)] = i < caller.input_size() ? caller.input(i) : "";
    for (int i = 0; i < function.output_size(); ++i)
      if (i < caller.output_size() && !caller.output(i).empty())
        names_[function.output(i)] = caller.output(i);
  }

  std::string name_of(const std::string& inner) {
    if (inner.empty()) return "";
    const auto [found, is_new] = names_.try_emplace(inner, "");
    if (is_new) found->second = text(prefix_, "/", inner);
    return found->second;
  }

  // A node of the function's body as one of the graph.
  NodeProto node(const NodeProto& from, int index) {
    NodeProto out = from;
    out.set_name(text(prefix_, "/", from.name().empty() ? text(from.op_type(), "_", index) : from.name()));
    for (std::string& input : *out.mutable_input()) input = name_of(input);
    for (std::string& output : *out.mutable_output()) output = name_of(output);
    out.clear_attribute();
    for (const onnx::AttributeProto& attribute : from.attribute()) take(attribute, out);
    return out;
  }

 private:
  // An attribute of a body may stand for one of the caller; one that the caller leaves out is what the
  // operator's schema says, or left out.
  void take(const onnx::AttributeProto& from, NodeProto& to) const {
    if (from.ref_attr_name().empty()) {
      *to.add_attribute() = from;
      return;
    }
    const onnx::AttributeProto* found = nullptr;
    for (const onnx::AttributeProto& given : caller_.attribute())
      if (given.name() == from.ref_attr_name()) found = &given;
    if (found == nullptr && schema_ != nullptr) {
      const auto known = schema_->attributes().find(from.ref_attr_name());
      if (known != schema_->attributes().end() && known->second.default_value.has_name())
        found = &known->second.default_value;
    }
    if (found == nullptr) return;
    onnx::AttributeProto& made = *to.add_attribute();
    made = *found;
    made.set_name(from.name());
  }

  const NodeProto& caller_;
  const onnx::OpSchema* schema_;
  std::string prefix_;
  std::unordered_map<std::string, std::string> names_;
};

class Inliner {
 public:
  Inliner(onnx::ModelProto& model, int64_t opset, Changes& changes)
      : model_(model), opset_(opset), changes_(changes) {
    for (const FunctionProto& function : model.functions())
      functions_[text(function.domain(), ".", function.name())] = &function;
    for (const onnx::TensorProto& tensor : model.graph().initializer())
      elements_[tensor.name()] = elements_in(tensor);
  }

  void apply() {
    google::protobuf::RepeatedPtrField<NodeProto> before;
    before.Swap(model_.mutable_graph()->mutable_node());
    for (int i = 0; i < before.size(); ++i) add(std::move(before[i]), i, 0);
  }

 private:
  // At least 1, and no more than are worth counting.
  static int64_t elements_in(const onnx::TensorProto& tensor) {
    int64_t out = 1;
    for (int64_t extent : tensor.dims())
      if (extent > 0 && out < INT32_MAX) out *= std::min<int64_t>(extent, INT32_MAX);
    return out;
  }

  // 0: computed.
  int64_t constant_elements(const std::string& name) const {
    const auto found = elements_.find(name);
    return found == elements_.end() ? 0 : found->second;
  }

  const FunctionProto* function_of(const NodeProto& node) const {
    const auto found = functions_.find(text(node.domain(), ".", node.op_type()));
    if (found != functions_.end()) return found->second;
    if (!is_onnx_domain(node.domain()) || is_known(node, opset_)) return nullptr;
    const onnx::OpSchema* schema = schema_of(node.op_type(), opset_);
    return schema != nullptr && schema->HasFunction() ? schema->GetFunction() : nullptr;
  }

  void append(NodeProto node) {
    learn(node);
    *model_.mutable_graph()->add_node() = std::move(node);
  }

  // A node between integers as others.
  bool add_plain(const NodeProto& node, const std::string& name, int depth) try {
    std::vector<NodeProto> nodes =
        plain_nodes(node, name,
                    {[this](const std::string& value) { return constant_elements(value); },
                     [this](const std::string& value) {
                       const auto found = casts_.find(value);
                       return found == casts_.end() ? 0 : found->second;
                     }});
    if (nodes.empty()) return false;
    changes_.push_back({"written out", name, text(node.op_type(), " as ", nodes.size(), " nodes")});
    for (size_t i = 0; i < nodes.size(); ++i) add(std::move(nodes[i]), static_cast<int>(i), depth);
    return true;
  } catch (const Error& error) {
    throw Error(error.kind(), text("node ", name, ": ", error.what()));
  }

  // What rewriting may want to know of a node's output.
  void learn(const NodeProto& node) {
    if (node.output_size() == 0) return;
    if (node.op_type() == "Constant" || reads_constants(node)) elements_[node.output(0)] = elements_of(node);
    for (const onnx::AttributeProto& attribute : node.attribute())
      if (node.op_type() == "Cast" && attribute.name() == "to")
        casts_[node.output(0)] = static_cast<int>(attribute.i());
  }

  bool reads_constants(const NodeProto& node) const {
    return node.input_size() > 0 && std::ranges::all_of(node.input(), [&](const std::string& input) {
             return input.empty() || constant_elements(input) > 0;
           });
  }

  // Of a constant that is computed: as many as its largest operand has.
  int64_t elements_of(const NodeProto& node) const {
    int64_t out = 1;
    for (const onnx::AttributeProto& attribute : node.attribute())
      if (attribute.name() == "value") out = elements_in(attribute.t());
    for (const std::string& input : node.input()) out = std::max(out, constant_elements(input));
    return out;
  }

  void add(NodeProto node, int index, int depth) {
    const std::string name = node.name().empty() ? text(node.op_type(), "_", index) : node.name();
    if (is_onnx_domain(node.domain()) && add_plain(node, name, depth)) return;
    const FunctionProto* function = function_of(node);
    if (function == nullptr) {
      append(std::move(node));
      return;
    }
    if (depth == kDeepest)
      throw Error(ErrorKind::kInvalid, text("node ", name, ": functions call each other more than ", kDeepest,
                                            " deep, wanted an end"));
    written_ += function->node_size();
    if (written_ > kMostNodes)
      throw Error(ErrorKind::kUnsupported,
                  text("node ", name, ": functions become more than ", kMostNodes, " nodes, wanted fewer"));
    changes_.push_back({"written out", name, text(node.op_type(), " as ", function->node_size(), " nodes")});
    const bool is_of_onnx = is_onnx_domain(node.domain()) && !functions_.contains(text(".", node.op_type()));
    Call call(node, *function, is_of_onnx ? schema_of(node.op_type(), opset_) : nullptr, name);
    for (int i = 0; i < function->node_size(); ++i) add(call.node(function->node(i), i), i, depth + 1);
  }

  onnx::ModelProto& model_;
  const int64_t opset_;
  Changes& changes_;
  int64_t written_ = 0;  // nodes that functions have become
  std::unordered_map<std::string, const FunctionProto*> functions_;
  std::unordered_map<std::string, int64_t> elements_;  // of constants
  std::unordered_map<std::string, int> casts_;         // types that Cast nodes give
};

}  // namespace

void inline_functions(onnx::ModelProto& model, int64_t opset, Changes& changes) {
  Inliner(model, opset, changes).apply();
}

}  // namespace q
