#include "onnx/functions.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "onnx/mapping.h"
#include "onnx/schema.h"
#include "onnx/shape_eval.h"
#include "q/error.h"

namespace q {

namespace {

using onnx::FunctionProto;
using onnx::NodeProto;

constexpr int kDeepest = 64;         // functions that call functions
constexpr int kMostNodes = 100'000;  // a few bytes of functions must not ask for all memory

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

bool is_known(const NodeProto& node, int64_t opset) {
  return is_standard(node.domain()) && (node.op_type() == "Constant" || is_shape_type(node.op_type()) ||
                                        has_operator(node.op_type(), opset));
}

// What has become of a function's own names at one call.
class Call {
 public:
  Call(const NodeProto& caller, const FunctionProto& function, std::string prefix)
      : caller_(caller), prefix_(std::move(prefix)) {
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
  // An attribute of a body may stand for one of the caller; one that the caller leaves out is left out.
  void take(const onnx::AttributeProto& from, NodeProto& to) const {
    if (from.ref_attr_name().empty()) {
      *to.add_attribute() = from;
      return;
    }
    for (const onnx::AttributeProto& given : caller_.attribute()) {
      if (given.name() != from.ref_attr_name()) continue;
      onnx::AttributeProto& made = *to.add_attribute();
      made = given;
      made.set_name(from.name());
    }
  }

  const NodeProto& caller_;
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
      for (int64_t extent : tensor.dims()) elements_[tensor.name()] = elements_or_one(tensor.name()) * extent;
  }

  void apply() {
    google::protobuf::RepeatedPtrField<NodeProto> before;
    before.Swap(model_.mutable_graph()->mutable_node());
    for (int i = 0; i < before.size(); ++i) add(std::move(before[i]), i, 0);
  }

 private:
  int64_t elements_or_one(const std::string& name) const {
    const auto found = elements_.find(name);
    return found == elements_.end() ? 1 : found->second;
  }

  const FunctionProto* function_of(const NodeProto& node) const {
    const auto found = functions_.find(text(node.domain(), ".", node.op_type()));
    if (found != functions_.end()) return found->second;
    if (!is_standard(node.domain()) || is_known(node, opset_)) return nullptr;
    const onnx::OpSchema* schema = schema_of(node.op_type(), opset_);
    return schema != nullptr && schema->HasFunction() ? schema->GetFunction() : nullptr;
  }

  NodeProto& append(NodeProto node) { return *model_.mutable_graph()->add_node() = std::move(node); }

  void add(NodeProto node, int index, int depth) {
    const std::string name = node.name().empty() ? text(node.op_type(), "_", index) : node.name();
    const bool is_integer = node.op_type() == "ConvInteger" || node.op_type() == "MatMulInteger";
    if (is_standard(node.domain()) && is_integer) return add_integer(std::move(node), name);
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
    Call call(node, *function, name);
    for (int i = 0; i < function->node_size(); ++i) add(call.node(function->node(i), i), i, depth + 1);
  }

  // Sums of products of integers: of the reals they are, less their zero points. Exact below 2^24.
  void add_integer(NodeProto node, const std::string& name) {
    const std::string type = node.op_type() == "ConvInteger" ? "Conv" : "MatMul";
    changes_.push_back({"written out", name, text(node.op_type(), " as ", type, " on float32")});
    std::string operands[2];
    for (int i = 0; i < 2 && i < node.input_size(); ++i) {
      operands[i] = node.input(i);
      if (i + 2 >= node.input_size() || node.input(i + 2).empty()) continue;
      const std::string& zero_point = node.input(i + 2);
      if (elements_or_one(zero_point) != 1)
        throw Error(ErrorKind::kUnsupported, text("node ", name, ": input ", zero_point, " has ",
                                                  elements_or_one(zero_point), " zero points, wanted one"));
      operands[i] = text(name, i == 0 ? "/x" : "/w");
      NodeProto difference;
      difference.set_op_type("Sub");
      difference.set_name(operands[i]);
      difference.add_input(node.input(i));
      difference.add_input(zero_point);
      difference.add_output(operands[i]);
      append(std::move(difference));
    }
    node.set_op_type(type);
    node.clear_input();
    for (std::string& operand : operands)
      if (!operand.empty()) node.add_input(std::move(operand));
    append(std::move(node));
  }

  onnx::ModelProto& model_;
  const int64_t opset_;
  Changes& changes_;
  int64_t written_ = 0;  // nodes that functions have become
  std::unordered_map<std::string, const FunctionProto*> functions_;
  std::unordered_map<std::string, int64_t> elements_;  // of initializers
};

}  // namespace

void inline_functions(onnx::ModelProto& model, int64_t opset, Changes& changes) {
  Inliner(model, opset, changes).apply();
}

}  // namespace q
