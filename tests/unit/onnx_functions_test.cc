// Functions in ONNX files are written out, node by node.
#include <gtest/gtest.h>

#include "onnx_models.h"

namespace q {
namespace {

class Functions : public Import {};

// A function of the model itself; returns it for its nodes to be added.
onnx::FunctionProto& add_function(ModelProto& model, const std::string& name) {
  onnx::FunctionProto& function = *model.add_functions();
  function.set_domain("local");
  function.set_name(name);
  function.add_input("a");
  function.add_output("b");
  return function;
}

NodeProto& add_call(onnx::FunctionProto& function, const std::string& type, const std::string& input,
                    const std::string& output, const std::string& domain = "") {
  NodeProto& node = *function.add_node();
  node.set_op_type(type);
  node.set_domain(domain);
  node.add_input(input);
  node.add_output(output);
  return node;
}

// x [N,4] → local.f → y
ModelProto calling_model() {
  ModelProto model = relu_model();
  auto* domain = model.add_opset_import();
  domain->set_domain("local");
  domain->set_version(1);
  NodeProto& node = *model.mutable_graph()->mutable_node(0);
  node.set_op_type("f");
  node.set_domain("local");
  return model;
}

TEST_F(Functions, OfTheModelAreWrittenOutUnderTheNameOfTheirCaller) {
  ModelProto model = calling_model();
  onnx::FunctionProto& f = add_function(model, "f");
  add_call(f, "Relu", "a", "inner");
  add_call(f, "g", "inner", "b", "local");
  add_call(add_function(model, "g"), "Sigmoid", "a", "b");
  const Graph graph = import(model);
  EXPECT_EQ(nodes(graph), (Strings{"act/Relu_0 relu", "act/g_1/Sigmoid_0 sigmoid"}));
  EXPECT_EQ(graph.values[static_cast<size_t>(graph.outputs[0])].name, "y");
  EXPECT_EQ(changes("written out"), (Strings{"act: f as 2 nodes", "act/g_1: g as 1 nodes"}));
}

TEST_F(Functions, GiveTheirNodesTheAttributesOfTheCaller) {
  ModelProto model = calling_model();
  onnx::FunctionProto& f = add_function(model, "f");
  NodeProto& softmax = add_call(f, "Softmax", "a", "b");
  AttributeProto& axis = add_attribute(softmax, "axis", AttributeProto::INT);
  axis.set_ref_attr_name("over");
  EXPECT_EQ(attr_int(import(model).nodes.at(0).attrs, "axis"), -1);  // left out: Softmax's own
  set_int(*model.mutable_graph()->mutable_node(0), "over", 1);
  EXPECT_EQ(attr_int(import(model).nodes.at(0).attrs, "axis"), 1);
}

TEST_F(Functions, MustComeToAnEnd) {
  ModelProto model = calling_model();
  add_call(add_function(model, "f"), "f", "a", "b", "local");
  EXPECT_NE(refusal(model).find("functions call each other more than 64 deep, wanted an end"),
            std::string::npos);
}

TEST_F(Functions, MustNotGrowWithoutEnd) {
  ModelProto model = calling_model();
  std::string name = "f";
  for (int level = 0; level < 40; ++level) {
    const std::string next = text("f", level);
    onnx::FunctionProto& f = add_function(model, name);
    add_call(f, next, "a", "half", "local");
    add_call(f, next, "half", "b", "local");
    name = next;
  }
  add_call(add_function(model, name), "Relu", "a", "b");
  EXPECT_NE(refusal(model).find("functions become more than 100000 nodes, wanted fewer"), std::string::npos);
}

TEST_F(Functions, OfOnnxItselfStandForOperatorsThatAreNotHere) {
  ModelProto model = relu_model(13);
  model.mutable_graph()->mutable_input()->Clear();
  add_input(model, "x", {-1, 3, 4, 5});
  model.mutable_graph()->mutable_node(0)->set_op_type("MeanVarianceNormalization");
  const std::string message = refusal(model);
  EXPECT_TRUE(message == "imported" || message.find("act/") != std::string::npos) << message;
}

TEST_F(Functions, SumsOfIntegersAreThoseOfTheRealsLessTheirZeroPoints) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 2}, TensorProto::UINT8);
  TensorProto weight;
  set_dims(weight, TensorProto::INT8, {2, 1});
  for (int value : {3, -4}) weight.add_int32_data(value);
  add_initializer(model, "w", weight);
  TensorProto x_zero, w_zero;
  set_dims(x_zero, TensorProto::UINT8, {});
  x_zero.add_int32_data(10);
  set_dims(w_zero, TensorProto::INT8, {1});
  w_zero.add_int32_data(1);
  add_initializer(model, "xz", x_zero);
  add_initializer(model, "wz", w_zero);
  add_node(model, "MatMulInteger", "sum", {"x", "w", "xz", "wz"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(nodes(graph).back(), "sum linear");
  EXPECT_EQ(floats(graph, graph.values[static_cast<size_t>(graph.nodes.back().inputs[1])].name),
            (Numbers{2, -5}));
  model.mutable_graph()->mutable_initializer(2)->clear_dims();
  model.mutable_graph()->mutable_initializer(2)->add_dims(2);
  model.mutable_graph()->mutable_initializer(2)->add_int32_data(1);
  model.mutable_graph()->mutable_initializer(2)->set_name("wz");
  model.mutable_graph()->mutable_initializer(1)->set_name("xz");
  EXPECT_EQ(refusal(model), "m.onnx: node sum: input wz has 2 zero points, wanted one");
}

TEST_F(Import, RefusesToDivideIntegers) {
  ModelProto model = add_model(int_tensor({3}, {1, 2, 3}));
  model.mutable_graph()->mutable_input()->Clear();
  add_input(model, "x", {-1, 3}, TensorProto::INT64);
  EXPECT_EQ(refusal(model), "imported");
  model.mutable_graph()->mutable_node(0)->set_op_type("Div");
  EXPECT_EQ(refusal(model), "m.onnx: node sum: divides integers and drops the fraction, wanted reals");
}

}  // namespace
}  // namespace q
