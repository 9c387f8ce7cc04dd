// Operators that models write as several nodes, and normalizations before weights.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "build_graph.h"
#include "q/exec.h"
#include "q/pass.h"
#include "seed.h"

namespace q {
namespace {

using Strings = std::vector<std::string>;

Strings operators(const Graph& graph) {
  Strings out;
  for (const Node& node : graph.nodes) out.push_back(node.op);
  return out;
}

class Pattern : public testing::Test {
 protected:
  ValueId number(float value) { return b.constant(name(), {}, {value}); }
  ValueId node(const std::string& op, const std::vector<ValueId>& inputs, const Attrs& attrs = {}) {
    return b.node(op, inputs, name(), attrs);
  }
  std::string name() { return "v" + std::to_string(count_++); }

  std::vector<float> random_values(int64_t count, float lo = -3, float hi = 3) {
    std::uniform_real_distribution<float> draw(lo, hi);
    std::vector<float> out(static_cast<size_t>(count));
    for (float& value : out) value = draw(random_);
    return out;
  }

  ValueId random_constant(const Shape& shape, float lo = -3, float hi = 3) {
    return b.constant(name(), shape, random_values(elements(shape), lo, hi));
  }

  static std::vector<float> computed(const Graph& graph, const std::vector<float>& x) {
    const Tensor in = make_tensor(graph.values[static_cast<size_t>(graph.inputs[0])].type.shape, x);
    const View view = in.view();
    std::vector<float> out;
    Executable(graph, {}).run({&view, 1}, [&](ValueId, const View& y) {
      out.assign(y.as<float>(), y.as<float>() + elements(y.shape));
    });
    return out;
  }

  // What the graph has become, which must compute what it did: within a few roundings of numbers below 100.
  Graph after(const std::string& pass, ValueId output, const PassContext& context = {}) {
    b.output(output);
    const Graph before = b.graph();
    Changes changes;
    Graph out = run_pass(pass, before, context, changes);
    validate(out);
    const std::vector<float> x =
        random_values(elements(before.values[static_cast<size_t>(before.inputs[0])].type.shape));
    const std::vector<float> wanted = computed(before, x), got = computed(out, x);
    EXPECT_EQ(wanted.size(), got.size());
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(wanted[i], got[i], 2e-4) << i;
    return out;
  }

  GraphBuilder b;

 private:
  uint64_t seed_ = test_seed();
  testing::ScopedTrace trace_{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed_};
  std::mt19937_64 random_{seed_};
  int count_ = 0;
};

// ---- gelu ----

TEST_F(Pattern, GeluOfErfIsRecognisedInTheOrdersExportersWrite) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId inner = node("add", {node("erf", {node("div", {x, number(1.41421354f)})}), number(1)});
  const Graph graph = after("fuse_gelu", node("mul", {node("mul", {x, inner}), number(0.5f)}));
  EXPECT_EQ(operators(graph), Strings{"gelu"});
  EXPECT_EQ(attr_string(graph.nodes[0].attrs, "approximate"), "none");
}

TEST_F(Pattern, GeluMayMultiplyByOneHalfFirst) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId inner = node("add", {number(1), node("erf", {node("mul", {number(0.70710678f), x})})});
  EXPECT_EQ(operators(after("fuse_gelu", node("mul", {node("mul", {number(0.5f), x}), inner}))),
            Strings{"gelu"});
}

TEST_F(Pattern, GeluOfTanhIsRecognised) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId cube = node("pow_scalar", {x}, {{"exponent", 3.0}});
  const ValueId sum = node("add", {x, node("mul", {cube, number(0.044715f)})});
  const ValueId inner = node("add", {node("tanh", {node("mul", {sum, number(0.79788458f)})}), number(1)});
  const Graph graph = after("fuse_gelu", node("mul", {node("mul", {x, number(0.5f)}), inner}));
  EXPECT_EQ(operators(graph), Strings{"gelu"});
  EXPECT_EQ(attr_string(graph.nodes[0].attrs, "approximate"), "tanh");
}

TEST_F(Pattern, WhatIsNearlyGeluStaysAsItIs) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId inner = node("add", {node("erf", {node("mul", {x, number(0.75f)})}), number(1)});
  EXPECT_EQ(operators(after("fuse_gelu", node("mul", {node("mul", {x, inner}), number(0.5f)}))).size(), 5u);
}

TEST_F(Pattern, AFactorThatOthersReadIsNotTakenIntoGelu) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId inner = node("add", {node("erf", {node("mul", {x, number(0.70710678f)})}), number(1)});
  const ValueId product = node("mul", {x, inner});
  b.output(product);
  EXPECT_EQ(operators(after("fuse_gelu", node("mul", {product, number(0.5f)}))).size(), 5u);
}

// ---- rsqrt ----

TEST_F(Pattern, OneOverTheRootIsRsqrt) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId positive = node("add", {node("mul", {x, x}), number(1)});
  EXPECT_EQ(operators(after("fuse_rsqrt", node("reciprocal", {node("sqrt", {positive})}))),
            (Strings{"mul", "add", "rsqrt"}));
}

TEST_F(Pattern, AQuotientOfOneAndTheRootIsRsqrt) {
  const ValueId x = b.input("x", {2, 5});
  const ValueId positive = node("add", {node("mul", {x, x}), number(1)});
  EXPECT_EQ(operators(after("fuse_rsqrt", node("div", {number(1), node("sqrt", {positive})}))),
            (Strings{"mul", "add", "rsqrt"}));
}

// ---- layer_norm ----

TEST_F(Pattern, LayerNormIsRecognisedWithWeightAndBias) {
  const ValueId x = b.input("x", {2, 3, 8});
  const Attrs last = {{"axes", Ints{-1}}};
  const ValueId d = node("sub", {x, node("mean", {x}, last)});
  const ValueId variance = node("mean", {node("pow_scalar", {d}, {{"exponent", 2.0}})}, last);
  const ValueId root = node("sqrt", {node("add", {variance, number(0.25f)})});
  const ValueId scaled = node("mul", {node("div", {d, root}), random_constant({8})});
  const Graph graph = after("fuse_layer_norm", node("add", {scaled, random_constant({1, 1, 8})}));
  EXPECT_EQ(operators(graph), Strings{"layer_norm"});
  EXPECT_EQ(graph.nodes[0].inputs.size(), 3u);
  EXPECT_EQ(attr_float(graph.nodes[0].attrs, "epsilon"), 0.25);
}

TEST_F(Pattern, LayerNormMayWriteItsDifferenceTwiceAndHaveNoWeight) {
  const ValueId x = b.input("x", {2, 3, 8});
  const Attrs last = {{"axes", Ints{2}}};
  const ValueId mean = node("mean", {x}, last);
  const ValueId d = node("sub", {x, mean}), again = node("sub", {x, mean});
  const ValueId variance = node("mean", {node("mul", {again, again})}, last);
  const ValueId root = node("sqrt", {node("add", {variance, number(0.5f)})});
  EXPECT_EQ(operators(after("fuse_layer_norm", node("div", {d, root}))), Strings{"layer_norm"});
}

TEST_F(Pattern, LayerNormMayTakeItsMeansAsPools) {
  const ValueId x = b.input("x", {2, 3, 8});
  const Attrs one = {{"output_size", Ints{1}}};
  const ValueId d = node("sub", {x, node("adaptive_avg_pool", {x}, one)});
  const ValueId variance = node("adaptive_avg_pool", {node("mul", {d, d})}, one);
  const ValueId root = node("sqrt", {node("add", {variance, number(0.25f)})});
  EXPECT_EQ(operators(after("fuse_layer_norm", node("div", {d, root}))), Strings{"layer_norm"});
}

TEST_F(Pattern, RmsNormIsRecognisedByItsRsqrt) {
  const ValueId x = b.input("x", {2, 3, 8});
  const ValueId squares = node("mean", {node("mul", {x, x})}, {{"axes", Ints{-1}}});
  const ValueId inverse = node("rsqrt", {node("add", {squares, number(0.25f)})});
  EXPECT_EQ(
      operators(after("fuse_layer_norm", node("mul", {node("mul", {x, inverse}), random_constant({8})}))),
      Strings{"rms_norm"});
}

TEST_F(Pattern, ANormalizationOverOtherAxesStaysAsItIs) {
  const ValueId x = b.input("x", {2, 3, 8});
  const Attrs middle = {{"axes", Ints{1}}};
  const ValueId d = node("sub", {x, node("mean", {x}, middle)});
  const ValueId variance = node("mean", {node("mul", {d, d})}, middle);
  const ValueId root = node("sqrt", {node("add", {variance, number(0.25f)})});
  EXPECT_EQ(operators(after("fuse_layer_norm", node("div", {d, root}))).size(), 7u);
}

// ---- operators written out ----

class Decomposed : public Pattern {
 protected:
  // What the last node of the graph becomes, which computes what it did.
  Graph written_out(ValueId output) {
    const std::string op = b.last_op();
    const std::vector<std::string> wanted = {op};
    return after("decompose", output, {.decompose = wanted});
  }
};

TEST_F(Decomposed, GluIsAProductWithASigmoid) {
  const ValueId x = b.input("x", {2, 6, 3});
  EXPECT_EQ(operators(written_out(node("glu", {x}, {{"axis", int64_t{1}}}))),
            (Strings{"split", "sigmoid", "mul"}));
}

TEST_F(Decomposed, HardsigmoidIsARelu6) {
  EXPECT_EQ(operators(written_out(node("hardsigmoid", {b.input("x", {2, 6})}))),
            (Strings{"add_scalar", "relu6", "mul_scalar"}));
}

TEST_F(Decomposed, HardsigmoidOfAnotherSlopeStays) {
  EXPECT_EQ(operators(written_out(node("hardsigmoid", {b.input("x", {2, 6})}, {{"alpha", 0.2}}))),
            Strings{"hardsigmoid"});
}

TEST_F(Decomposed, LayerNormIsItsMeansAndOneRsqrt) {
  const ValueId x = b.input("x", {2, 3, 8});
  const ValueId y =
      node("layer_norm", {x, random_constant({3, 8}), random_constant({3, 8})}, {{"axis", int64_t{1}}});
  EXPECT_EQ(operators(written_out(y)), (Strings{"mean", "mul_scalar", "add", "mul", "mean", "add_scalar",
                                                "rsqrt", "mul", "mul", "add"}));
}

TEST_F(Decomposed, RmsNormTakesNoMeanAway) {
  const ValueId x = b.input("x", {2, 3, 8});
  EXPECT_EQ(operators(written_out(node("rms_norm", {x, random_constant({8})}))),
            (Strings{"mul", "mean", "add_scalar", "rsqrt", "mul", "mul"}));
}

TEST_F(Decomposed, PreluIsTwoRelus) {
  const ValueId x = b.input("x", {2, 3, 4, 5});
  EXPECT_EQ(operators(written_out(node("prelu", {x, random_constant({3})}))),
            (Strings{"mul_scalar", "relu", "mul_scalar", "relu", "mul", "add"}));
}

TEST_F(Decomposed, SiluIsAProductWithItsSigmoid) {
  EXPECT_EQ(operators(written_out(node("silu", {b.input("x", {2, 6})}))), (Strings{"sigmoid", "mul"}));
}

TEST_F(Decomposed, OperatorsThatAreNotNamedStay) {
  const ValueId x = b.input("x", {2, 6});
  EXPECT_EQ(operators(after("decompose", node("silu", {x}))), Strings{"silu"});
}

// ---- batch_norm before weights ----

class Ahead : public Pattern {
 protected:
  ValueId normalized(ValueId x, int64_t channels, bool shifts = true) {
    const Shape shape = {channels};
    const ValueId zeros = b.constant(name(), shape, std::vector<float>(static_cast<size_t>(channels)));
    return node("batch_norm", {x, random_constant(shape), shifts ? random_constant(shape) : zeros,
                               shifts ? random_constant(shape) : zeros, random_constant(shape, 0.5f, 2)});
  }
};

TEST_F(Ahead, GoesIntoAConvolutionOfGroups) {
  const ValueId x = b.input("x", {1, 4, 5, 6});
  const ValueId y =
      node("conv2d", {normalized(x, 4), random_constant({6, 2, 3, 3})}, {{"group", int64_t{2}}});
  EXPECT_EQ(operators(after("fold_batch_norm_ahead", y)), Strings{"conv2d"});
}

TEST_F(Ahead, GoesIntoALinearNodeWithABias) {
  const ValueId x = b.input("x", {1, 7});
  const ValueId y = node("linear", {normalized(x, 7), random_constant({5, 7}), random_constant({5})});
  EXPECT_EQ(operators(after("fold_batch_norm_ahead", y)), Strings{"linear"});
}

TEST_F(Ahead, StaysWhereZerosPadTheImageUnlessItShiftsNothing) {
  const ValueId x = b.input("x", {1, 4, 5, 6});
  const Attrs padded = {{"pads", Ints{1, 1, 1, 1}}};
  const ValueId y = node("conv2d", {normalized(x, 4), random_constant({6, 4, 3, 3})}, padded);
  EXPECT_EQ(operators(after("fold_batch_norm_ahead", y)), (Strings{"batch_norm", "conv2d"}));
}

TEST_F(Ahead, GoesWherePaddedZerosAreZerosBehindItToo) {
  const ValueId x = b.input("x", {1, 4, 5, 6});
  const Attrs padded = {{"pads", Ints{1, 1, 1, 1}}};
  const ValueId y = node("conv2d", {normalized(x, 4, false), random_constant({6, 4, 3, 3})}, padded);
  EXPECT_EQ(operators(after("fold_batch_norm_ahead", y)), Strings{"conv2d"});
}

TEST_F(Ahead, StaysWhereSomebodyElseReadsIt) {
  const ValueId x = b.input("x", {1, 7});
  const ValueId norm = normalized(x, 7);
  b.output(norm);
  const ValueId y = node("linear", {norm, random_constant({5, 7})});
  EXPECT_EQ(operators(after("fold_batch_norm_ahead", y)), (Strings{"batch_norm", "linear"}));
}

}  // namespace
}  // namespace q
