// Graphs: order, validation and the passes, on small networks made by hand.
#include "q/graph.h"

#include <gtest/gtest.h>

#include <limits>

#include "build_graph.h"
#include "q/pass.h"

namespace q {
namespace {

std::string refusal(const Graph& graph) {
  try {
    validate(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const Node& node_named(const Graph& graph, std::string_view name) {
  for (const Node& node : graph.nodes)
    if (node.name == name) return node;
  throw std::runtime_error("no node " + std::string(name));
}

TEST(Graph, SortsNodesAndKeepsTheOrderOfASortedGraph) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 4});
  const ValueId y = b.node("relu", {x}, "y"), z = b.node("sigmoid", {y}, "z");
  b.output(z);
  Graph graph = b.graph();
  std::swap(graph.nodes[0], graph.nodes[1]);
  sort_nodes(graph);
  EXPECT_EQ(graph.nodes[0].op, "relu");
  EXPECT_EQ(graph.nodes[1].op, "sigmoid");
}

TEST(Graph, NamesANodeOfACycle) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 4});
  const ValueId y = b.node("add", {x, x}, "y"), z = b.node("relu", {y}, "z");
  b.output(z);
  Graph graph = b.graph();
  graph.nodes[0].inputs[1] = z;
  EXPECT_EQ(refusal(graph), "/graph/y (add): waits for its own output: the graph has a cycle");
}

TEST(Graph, RefusesADanglingInput) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 4});
  b.output(b.node("relu", {x}, "y"));
  Graph graph = b.graph();
  graph.inputs.clear();
  EXPECT_EQ(refusal(graph), "/values/x: neither computed, nor constant, nor a model input");
}

TEST(Graph, RefusesUnknownOperatorsAndAttributes) {
  GraphBuilder b;
  b.output(b.node("relu", {b.input("x", {kFree, 4})}, "y"));
  Graph graph = b.graph();
  graph.nodes[0].attrs["slope"] = 1.0;
  EXPECT_EQ(refusal(graph), "/graph/y (relu): unknown attribute slope");
  graph.nodes[0].op = "frobnicate";
  EXPECT_EQ(refusal(graph), "/graph/y (frobnicate): no operator is called frobnicate");
}

TEST(Graph, RefusesAShapeThatDoesNotFollow) {
  GraphBuilder b;
  b.output(b.node("relu", {b.input("x", {kFree, 4})}, "y"));
  Graph graph = b.graph();
  graph.values[1].type.shape[1] = 5;
  EXPECT_EQ(refusal(graph), "/graph/y (relu): output y is [N,5], wanted [N,4]");
}

TEST(Graph, RefusesTwoValuesOfOneName) {
  GraphBuilder b;
  b.output(b.node("relu", {b.input("x", {kFree, 4})}, "y"));
  Graph graph = b.graph();
  graph.values[1].name = "x";
  EXPECT_EQ(refusal(graph), "/values/x: two values have this name");
}

TEST(Graph, DropsWhatNoOutputNeeds) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 4});
  b.node("sigmoid", {x}, "unused");
  b.output(b.node("relu", {x}, "y"));
  Graph graph = b.graph();
  remove_unused(graph);
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(find_value(graph, "unused"), kNone);
  EXPECT_EQ(refusal(graph), "");
}

Graph pass(std::string_view name, Graph graph, Changes* changes = nullptr) {
  Changes own;
  Graph out = run_pass(name, std::move(graph), {}, changes != nullptr ? *changes : own);
  validate(out);
  return out;
}

// x → conv (2 channels, 1x1) → batch_norm → relu → y
Graph conv_bn_relu(bool conv_is_output) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 1, 2, 2});
  const ValueId conv = b.node("conv2d", {x, b.constant("w", {2, 1, 1, 1}, {1, 2})}, "conv");
  const ValueId norm = b.node("batch_norm",
                              {conv, b.constant("gamma", {2}, {2, 3}), b.constant("beta", {2}, {1, -1}),
                               b.constant("mean", {2}, {0.5f, 0}), b.constant("var", {2}, {4, 9})},
                              "norm", {{"epsilon", 0.0}});
  b.output(b.node("relu", {norm}, "y"));
  if (conv_is_output) b.output(conv);
  return b.graph();
}

TEST(FoldBatchNorm, MultipliesTheWeightAndMovesTheBias) {
  Changes changes;
  const Graph graph = pass("fold_batch_norm", conv_bn_relu(false), &changes);
  ASSERT_EQ(graph.nodes.size(), 2u);
  const Node& conv = node_named(graph, "conv");
  const Tensor weight = graph.values[static_cast<size_t>(conv.inputs[1])].constant();
  const Tensor bias = graph.values[static_cast<size_t>(conv.inputs[2])].constant();
  EXPECT_EQ(weight.as<float>()[0], 1.0f);  // 1 * 2/2
  EXPECT_EQ(weight.as<float>()[1], 2.0f);  // 2 * 3/3
  EXPECT_EQ(bias.as<float>()[0], 0.5f);    // (0 - 0.5) * 1 + 1
  EXPECT_EQ(bias.as<float>()[1], -1.0f);
  EXPECT_EQ(graph.values[static_cast<size_t>(conv.outputs[0])].name, "norm");
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].rule, "conv2d+batch_norm");
}

TEST(FoldBatchNorm, MultipliesEveryChannelOfALargeWeight) {
  constexpr int64_t kChannels = 301, kInner = 509;
  std::vector<float> weights(kChannels * kInner), gamma(kChannels);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 1009);
  for (size_t c = 0; c < gamma.size(); ++c) gamma[c] = static_cast<float>(c) / 4;
  const std::vector<float> zeros(kChannels, 0), ones(kChannels, 1);
  GraphBuilder b;
  const ValueId linear = b.node(
      "linear", {b.input("x", {kFree, kInner}), b.constant("w", {kChannels, kInner}, weights)}, "linear");
  b.output(b.node("batch_norm",
                  {linear, b.constant("gamma", {kChannels}, gamma), b.constant("beta", {kChannels}, zeros),
                   b.constant("mean", {kChannels}, zeros), b.constant("var", {kChannels}, ones)},
                  "norm", {{"epsilon", 0.0}}));
  const Graph graph = pass("fold_batch_norm", b.graph());
  ASSERT_EQ(graph.nodes.size(), 1u);
  const Tensor folded = graph.values[static_cast<size_t>(graph.nodes[0].inputs[1])].constant();
  for (size_t i = 0; i < weights.size(); ++i)
    ASSERT_EQ(folded.as<float>()[i], weights[i] * gamma[i / kInner]) << i;
}

TEST(FoldBatchNorm, LeavesAConvolutionSomebodyElseReads) {
  EXPECT_EQ(pass("fold_batch_norm", conv_bn_relu(true)).nodes.size(), 3u);
}

TEST(FuseActivation, TurnsReluIntoTheLimitsOfTheNodeBefore) {
  const Graph graph = pass("fuse_activation", pass("fold_batch_norm", conv_bn_relu(false)));
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(std::get<double>(graph.nodes[0].attrs.at("min")), 0.0);
  EXPECT_EQ(std::get<double>(graph.nodes[0].attrs.at("max")), std::numeric_limits<double>::infinity());
  EXPECT_EQ(graph.values[static_cast<size_t>(graph.outputs[0])].name, "y");
}

TEST(FuseBias, AddsAConstantPerChannel) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 1, 2, 2});
  const ValueId conv =
      b.node("conv2d", {x, b.constant("w", {2, 1, 1, 1}, {1, 2}), b.constant("b", {2}, {10, 20})}, "conv");
  b.output(b.node("add", {conv, b.constant("c", {2, 1, 1}, {1, 2})}, "y"));
  const Graph graph = pass("fuse_bias", b.graph());
  ASSERT_EQ(graph.nodes.size(), 1u);
  const Tensor bias = graph.values[static_cast<size_t>(graph.nodes[0].inputs[2])].constant();
  EXPECT_EQ(bias.as<float>()[0], 11.0f);
  EXPECT_EQ(bias.as<float>()[1], 22.0f);
}

TEST(FuseBias, LeavesAConstantPerPixel) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 1, 2, 2});
  const ValueId conv = b.node("conv2d", {x, b.constant("w", {2, 1, 1, 1}, {1, 2})}, "conv");
  b.output(b.node("add", {conv, b.constant("c", {1, 2}, {1, 2})}, "y"));
  EXPECT_EQ(pass("fuse_bias", b.graph()).nodes.size(), 2u);
}

TEST(FuseGate, RecognisesSiluAndHardswish) {
  for (const auto& [gate, fused] : {std::pair("sigmoid", "silu"), std::pair("hardsigmoid", "hardswish")}) {
    GraphBuilder b;
    const ValueId x = b.input("x", {kFree, 4});
    const Attrs attrs =
        std::string_view(gate) == "sigmoid" ? Attrs{} : Attrs{{"alpha", 1.0 / 6}, {"beta", 0.5}};
    b.output(b.node("mul", {x, b.node(gate, {x}, "g", attrs)}, "y"));
    const Graph graph = pass("fuse_gate", b.graph());
    ASSERT_EQ(graph.nodes.size(), 1u);
    EXPECT_EQ(graph.nodes[0].op, fused);
  }
}

TEST(FuseGate, LeavesAnotherSlope) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 4});
  b.output(b.node("mul", {x, b.node("hardsigmoid", {x}, "g", {{"alpha", 0.2}, {"beta", 0.5}})}, "y"));
  EXPECT_EQ(pass("fuse_gate", b.graph()).nodes.size(), 2u);
}

TEST(FusePad, AddsZeroPaddingToTheConvolution) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 1, 2, 2});
  const ValueId padded = b.node("pad", {x}, "pad", {{"pads", Ints{0, 0, 1, 0, 0, 0, 1, 2}}});
  b.output(b.node("conv2d", {padded, b.constant("w", {1, 1, 3, 3}, std::vector<float>(9, 1))}, "y",
                  {{"pads", Ints{0, 1, 0, 0}}}));
  const Graph graph = pass("fuse_pad", b.graph());
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(attr_ints(graph.nodes[0].attrs, "pads"), (Ints{1, 1, 1, 2}));
}

TEST(RemoveIdentity, KeepsTheNameOfTheOutput) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 4});
  b.output(b.node("identity", {b.node("relu", {b.node("identity", {x}, "a")}, "b")}, "y"));
  const Graph graph = pass("remove_identity", b.graph());
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.values[static_cast<size_t>(graph.outputs[0])].name, "y");
}

TEST(FoldConstants, ComputesWhatReadsOnlyConstants) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 2});
  const ValueId sum = b.node("add", {b.constant("a", {2}, {1, 2}), b.constant("c", {2}, {10, 20})}, "sum");
  b.output(b.node("add", {x, sum}, "y"));
  const Graph graph = pass("fold_constants", b.graph());
  ASSERT_EQ(graph.nodes.size(), 1u);
  const Tensor folded = graph.values[static_cast<size_t>(find_value(graph, "sum"))].constant();
  EXPECT_EQ(folded.as<float>()[0], 11.0f);
  EXPECT_EQ(folded.as<float>()[1], 22.0f);
}

TEST(FoldConstants, NamesTheNodeThatGivesInfinity) {
  const auto folded = [](bool clamped) {
    GraphBuilder b;
    const ValueId x = b.input("x", {kFree, 2}), big = b.constant("a", {2}, {1e30f, 1});
    ValueId product = b.node("mul", {big, big}, "square");
    if (clamped) product = b.node("relu6", {product}, "six");
    b.output(b.node("add", {x, product}, "y"));
    return pass("fold_constants", b.graph());
  };
  try {
    folded(false);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "node square (mul): computed from constants, gives NaN or infinity");
  }
  EXPECT_EQ(folded(true).nodes.size(), 1u);  // what is left is finite
}

}  // namespace
}  // namespace q
