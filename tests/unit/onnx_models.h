// ONNX models made in tests, a line per node, and the fixture that imports them.
#pragma once

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/text.h"
#include "q/graph.h"
#include "q/onnx.h"
#include "q/pass.h"
#include "scratch_folder.h"

namespace q {

using onnx::AttributeProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

// ---- models ----

inline ModelProto empty_model(int64_t opset = 13) {
  ModelProto model;
  model.set_ir_version(7);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("g");
  return model;
}

// extents: -1 leaves one open.
inline void set_type(onnx::ValueInfoProto& value, const std::string& name, const Ints& extents, int type) {
  value.set_name(name);
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape();
  for (int64_t extent : extents) {
    auto* dimension = tensor->mutable_shape()->add_dim();
    if (extent == -1)
      dimension->set_dim_param("N");
    else
      dimension->set_dim_value(extent);
  }
}

inline void add_input(ModelProto& model, const std::string& name, const Ints& extents,
                      int type = TensorProto::FLOAT) {
  set_type(*model.mutable_graph()->add_input(), name, extents, type);
}

inline void add_output(ModelProto& model, const std::string& name) {
  set_type(*model.mutable_graph()->add_output(), name, {}, TensorProto::FLOAT);
}

inline NodeProto& add_node(ModelProto& model, const std::string& type, const std::string& name,
                           const std::vector<std::string>& inputs, const std::vector<std::string>& outputs) {
  NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type(type);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  return node;
}

inline AttributeProto& add_attribute(NodeProto& node, const std::string& name,
                                     AttributeProto::AttributeType type) {
  AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

inline void set_int(NodeProto& node, const std::string& name, int64_t value) {
  add_attribute(node, name, AttributeProto::INT).set_i(value);
}

inline void set_dims(TensorProto& tensor, int type, const Ints& extents) {
  tensor.set_data_type(type);
  for (int64_t extent : extents) tensor.add_dims(extent);
}

inline TensorProto float_tensor(const Ints& extents, const std::vector<float>& values) {
  TensorProto tensor;
  set_dims(tensor, TensorProto::FLOAT, extents);
  for (float value : values) tensor.add_float_data(value);
  return tensor;
}

inline TensorProto int_tensor(const Ints& extents, const Ints& values) {
  TensorProto tensor;
  set_dims(tensor, TensorProto::INT64, extents);
  for (int64_t value : values) tensor.add_int64_data(value);
  return tensor;
}

inline TensorProto& add_initializer(ModelProto& model, const std::string& name, TensorProto tensor) {
  tensor.set_name(name);
  return *model.mutable_graph()->add_initializer() = std::move(tensor);
}

inline void add_constant(ModelProto& model, const std::string& name, TensorProto tensor) {
  *add_attribute(add_node(model, "Constant", "", {}, {name}), "value", AttributeProto::TENSOR).mutable_t() =
      std::move(tensor);
}

// x [N, 4] → Relu → y, and what a test changes in it.
inline ModelProto relu_model(int64_t opset = 13) {
  ModelProto model = empty_model(opset);
  add_input(model, "x", {-1, 4});
  add_node(model, "Relu", "act", {"x"}, {"y"});
  add_output(model, "y");
  return model;
}

// x [N, extents...] → Add w → y
inline ModelProto add_model(TensorProto w, Ints extents = {-1, 3}) {
  ModelProto model = empty_model();
  add_input(model, "x", extents);
  add_initializer(model, "w", std::move(w));
  add_node(model, "Add", "sum", {"x", "w"}, {"y"});
  add_output(model, "y");
  return model;
}

// x → Reshape to what `target` is → y
inline ModelProto reshape_model(const Ints& extents, const Ints& target) {
  ModelProto model = empty_model();
  add_input(model, "x", extents);
  add_initializer(model, "target", int_tensor({static_cast<int64_t>(target.size())}, target));
  add_node(model, "Reshape", "view", {"x", "target"}, {"y"});
  add_output(model, "y");
  return model;
}

// ---- importing them ----

class Import : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) const {
    write_content(folder_ / name, content);
    return folder_ / name;
  }

  Graph import(const ModelProto& model) {
    changes_.clear();
    const std::string path = write("m.onnx", model.SerializeAsString());
    return import_onnx(path, path, changes_);
  }

  // The message of the refusal, without the folder; "imported" when there is none.
  std::string refusal(const ModelProto& model) { return refusal_of(model.SerializeAsString()); }

  std::string refusal_of(const std::string& content) {
    const std::string path = write("m.onnx", content);
    try {
      import_onnx(path, path, changes_);
    } catch (const Error& error) {
      const std::string message = error.what(), folder = folder_ / "";
      return message.starts_with(folder) ? message.substr(folder.size()) : message;
    }
    return "imported";
  }

  // Details of the changes of that rule.
  std::vector<std::string> changes(const std::string& rule) const {
    std::vector<std::string> out;
    for (const Change& change : changes_)
      if (change.rule == rule) out.push_back(change.node + ": " + change.detail);
    return out;
  }

  ScratchFolder folder_;
  Changes changes_;
};

inline const Value& value(const Graph& graph, const std::string& name) {
  const ValueId id = find_value(graph, name);
  if (id == kNone) throw Error(ErrorKind::kInvalid, "no value " + name);
  return graph.values[static_cast<size_t>(id)];
}

inline std::vector<float> floats(const Graph& graph, const std::string& name) {
  const Tensor tensor = value(graph, name).constant();
  return {tensor.as<float>(), tensor.as<float>() + elements(tensor.type.shape)};
}

inline std::vector<std::string> nodes(const Graph& graph) {
  std::vector<std::string> out;
  for (const Node& node : graph.nodes) out.push_back(node.name + " " + node.op);
  return out;
}

using Strings = std::vector<std::string>;
using Numbers = std::vector<float>;

}  // namespace q
