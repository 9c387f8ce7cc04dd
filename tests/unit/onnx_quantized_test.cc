// ONNX files that hold quantized operators: computed as they stand, and on integers once q-fuse has been over
// them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "onnx_models.h"
#include "q/exec.h"
#include "q/quant.h"

namespace q {
namespace {

class Quantized : public Import {
 protected:
  static TensorProto bytes_tensor(int type, const Ints& extents, const Ints& values) {
    TensorProto tensor;
    set_dims(tensor, type, extents);
    for (int64_t value : values) tensor.add_int32_data(static_cast<int>(value));
    return tensor;
  }

  // Scale and zero point called name_s and name_z.
  static void add_scale(ModelProto& model, const std::string& name, float scale, int zero,
                        int type = TensorProto::UINT8) {
    add_initializer(model, name + "_s", float_tensor({}, {scale}));
    add_initializer(model, name + "_z", bytes_tensor(type, {}, {zero}));
  }

  static NodeProto& add_pair(ModelProto& model, const std::string& from, const std::string& to,
                             const std::string& scale) {
    add_node(model, "QuantizeLinear", to + "_q", {from, scale + "_s", scale + "_z"}, {to + "_q"});
    return add_node(model, "DequantizeLinear", to, {to + "_q", scale + "_s", scale + "_z"}, {to});
  }

  // x [N,3] → MatMul w [3,2] + b → Relu → y, each value through its integers
  static ModelProto network() {
    ModelProto model = empty_model();
    add_input(model, "x", {-1, 3});
    add_scale(model, "x", 0.5f, 10);
    add_scale(model, "y", 0.25f, 0);
    add_pair(model, "x", "xd", "x");
    add_initializer(model, "w_q", bytes_tensor(TensorProto::INT8, {3, 2}, {4, -8, 2, 1, -3, 5}));
    add_initializer(model, "w_s", float_tensor({2}, {0.5f, 0.125f}));
    add_initializer(model, "w_z", bytes_tensor(TensorProto::INT8, {2}, {0, 0}));
    set_int(add_node(model, "DequantizeLinear", "wd", {"w_q", "w_s", "w_z"}, {"wd"}), "axis", 1);
    add_initializer(model, "b", float_tensor({2}, {1, -2}));
    add_node(model, "MatMul", "mm", {"xd", "wd"}, {"sum"});
    add_node(model, "Add", "add", {"sum", "b"}, {"biased"});
    add_node(model, "Relu", "act", {"biased"}, {"relu"});
    add_pair(model, "relu", "y", "y");
    add_output(model, "y");
    return model;
  }

  Graph fused(Graph graph) {
    for (const char* pass : {"remove_identity", "fuse_bias", "fuse_activation", "fuse_quantized"})
      graph = run_pass(pass, std::move(graph), {}, changes_);
    validate(graph);
    return graph;
  }

  static std::vector<float> run(const Graph& graph, const std::vector<float>& x, const Shape& shape) {
    const Tensor in = make_tensor(shape, x);
    std::vector<float> out;
    const View view = in.view();
    Executable(graph, {.batch = shape[0]}).run({&view, 1}, [&](ValueId, const View& y) {
      const Tensor real = y.dtype == DType::kF32 ? Tensor{} : dequantize(y);
      const float* values = y.dtype == DType::kF32 ? y.as<float>() : real.as<float>();
      out.assign(values, values + elements(y.shape));
    });
    return out;
  }
};

const std::vector<float> kX = {1, -2, 0.6f, 30, -4, 7.25f};

TEST_F(Quantized, NetworksAreComputedAsTheyStand) {
  // by hand: x as multiples of 0.5: (1,-2,0.5), (30,-4,7); weights (2,-1),(1,.125),(-1.5,.625)
  // sums + b: 2-2-.75+1 = .25, -1-.25+.3125-2 < 0; 60-4-10.5+1 = 46.5, -30-.5+4.375-2 < 0
  EXPECT_EQ(run(import(network()), kX, {2, 3}), (Numbers{0.25f, 0, 46.5f, 0}));
}

TEST_F(Quantized, NetworksWorkOnIntegersOnceFused) {
  const Graph graph = fused(import(network()));
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op);
  EXPECT_EQ(ops, (Strings{"quantize", "linear", "dequantize"}));
  EXPECT_EQ(value(graph, graph.values[static_cast<size_t>(graph.nodes[1].inputs[1])].name).type.dtype,
            DType::kI8);
  EXPECT_EQ(run(graph, kX, {2, 3}), (Numbers{0.25f, 0, 46.5f, 0}));
}

TEST_F(Quantized, WhatIsReadBeforeItIsQuantizedStaysFloatAndSaysSo) {
  ModelProto model = network();
  add_node(model, "Sigmoid", "other", {"relu"}, {"z"});
  add_output(model, "z");
  const Graph graph = fused(import(model));
  const auto linear = std::ranges::find(graph.nodes, "linear", &Node::op);
  ASSERT_NE(linear, graph.nodes.end());
  EXPECT_FALSE(linear->float_reason.empty());
}

TEST_F(Quantized, FromOneScaleToAnotherThereAreNoReals) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 3});
  add_scale(model, "a", 0.5f, 10);
  add_scale(model, "b", 0.25f, 3, TensorProto::INT8);
  add_pair(model, "x", "xa", "a");
  add_pair(model, "xa", "y", "b");
  add_output(model, "y");
  const Graph graph = fused(import(model));
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op);
  EXPECT_EQ(ops, (Strings{"quantize", "quantize", "dequantize"}));
  EXPECT_EQ(run(graph, {1.3f, -4.9f, 100}, {1, 3}), (Numbers{1.5f, -5, 31}));  // (127 - 3) / 4
}

TEST_F(Quantized, OperatorsBetweenIntegersAreThoseBetweenTheirReals) {
  ModelProto model = empty_model(10);
  add_input(model, "x", {-1, 1, 2, 2});
  add_scale(model, "x", 0.5f, 128);
  add_scale(model, "w", 0.25f, 2);
  add_scale(model, "y", 1, 100);
  add_node(model, "QuantizeLinear", "q", {"x", "x_s", "x_z"}, {"xq"});
  add_initializer(model, "w", bytes_tensor(TensorProto::UINT8, {1, 1, 1, 1}, {6}));  // 1
  TensorProto bias;
  set_dims(bias, TensorProto::INT32, {1});
  bias.add_int32_data(16);  // times 1/8
  add_initializer(model, "b", bias);
  add_node(model, "QLinearConv", "conv", {"xq", "x_s", "x_z", "w", "w_s", "w_z", "y_s", "y_z", "b"}, {"yq"});
  add_node(model, "DequantizeLinear", "d", {"yq", "y_s", "y_z"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  const std::vector<float> x = {0, 1, -3.5f, 40}, wanted = {2, 3, -2, 42};  // x + 2, ties to even
  EXPECT_EQ(run(graph, x, {1, 1, 2, 2}), wanted);
  EXPECT_EQ(run(fused(graph), x, {1, 1, 2, 2}), wanted);
}

TEST_F(Quantized, InputsMayComeAsIntegers) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 2}, TensorProto::UINT8);
  add_scale(model, "x", 0.5f, 10);
  add_node(model, "DequantizeLinear", "d", {"x", "x_s", "x_z"}, {"xd"});
  add_node(model, "Relu", "act", {"xd"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  const Value& x = value(graph, "x");
  EXPECT_EQ(x.type.dtype, DType::kU8);
  ASSERT_TRUE(x.type.qparams);
  EXPECT_EQ(x.type.qparams->zero_points[0], 10);
}

TEST_F(Quantized, FormsThatAreNotHereAreRefused) {
  ModelProto model = network();
  model.mutable_graph()->mutable_initializer(0)->mutable_float_data()->Set(0, -1);
  EXPECT_NE(refusal(model).find("node xd_q: scale"), std::string::npos) << refusal(model);
  model = network();
  *model.mutable_graph()->mutable_initializer(6) = bytes_tensor(TensorProto::INT8, {1}, {0});
  model.mutable_graph()->mutable_initializer(6)->set_name("w_z");
  EXPECT_EQ(refusal(model), "m.onnx: node wd: 2 scales and 1 zero points, wanted as many");
  ModelProto other = network();
  other.mutable_graph()->mutable_node(1)->set_input(1, "y_s");
  EXPECT_EQ(refusal(other).substr(0, 7), "m.onnx:");
  EXPECT_NE(refusal(other).find("wanted that one"), std::string::npos);
}

}  // namespace
}  // namespace q
