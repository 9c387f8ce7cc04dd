// Sums of products with what follows them in one node: what they compute stays the same, and the integers of
// their biases are those of their channels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"
#include "build_graph.h"
#include "kernels/dispatch.h"
#include "q/exec.h"
#include "q/observer.h"
#include "q/pass.h"
#include "q/recipe.h"
#include "seed.h"

namespace q {
namespace {

class Fuse : public testing::Test {
 protected:
  std::vector<float> numbers(const Shape& shape, float lo = -1, float hi = 1) {
    std::uniform_real_distribution<float> draw(lo, hi);
    std::vector<float> out(static_cast<size_t>(elements(shape)));
    for (float& value : out) value = draw(random);
    return out;
  }
  ValueId constant(const std::string& name, const Shape& shape, float lo = -1, float hi = 1) {
    return b.constant(name, shape, numbers(shape, lo, hi));
  }
  ValueId batch_norm(ValueId x, int64_t channels) {
    const Shape shape = {channels};
    return b.node("batch_norm",
                  {x, constant("scale", shape), constant("shift", shape), constant("mean", shape),
                   constant("variance", shape, 0.5f, 2)},
                  "norm");
  }

  std::vector<float> run(const Graph& graph, const std::vector<Tensor>& in) {
    Executable executable(graph, {.batch = in[0].type.shape[0]});
    std::vector<View> views;
    for (const Tensor& tensor : in) views.push_back(tensor.view());
    std::vector<float> out;
    executable.run(views, [&](ValueId, View result) {
      out.assign(result.as<float>(), result.as<float>() + elements(result.shape));
    });
    return out;
  }

  // After the pass the nodes are these, and compute the same.
  void expect_fused(const char* pass, const std::vector<std::string>& wanted, const std::vector<Shape>& in) {
    const Graph before = b.graph();
    Changes changes;
    const Graph after = run_pass(pass, before, {}, changes);
    validate(after);
    std::vector<std::string> ops;
    for (const Node& node : after.nodes) ops.push_back(node.op);
    EXPECT_EQ(ops, wanted);
    std::vector<Tensor> inputs;
    for (const Shape& shape : in) inputs.push_back(make_tensor(shape, numbers(shape)));
    const std::vector<float> x = run(before, inputs), y = run(after, inputs);
    ASSERT_EQ(x.size(), y.size());
    float greatest = 0;
    for (const float value : x) greatest = std::max(greatest, std::abs(value));
    // sums of below 200 products, each rounded to binary32 once more or less
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 200 * 0x1p-24 * greatest) << i;
  }

  uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  std::mt19937_64 random{seed};
  GraphBuilder b;
};

TEST_F(Fuse, FoldsABatchNormalizationIntoAConvolutionOfVolumes) {
  const ValueId x = b.input("x", {-1, 4, 3, 4, 5});
  const ValueId y = b.node("conv3d", {x, constant("w", {6, 2, 2, 3, 3}), constant("bias", {6})}, "conv",
                           {{"group", int64_t{2}}});
  b.output(batch_norm(y, 6));
  expect_fused("fold_batch_norm", {"conv3d"}, {{2, 4, 3, 4, 5}});
}

TEST_F(Fuse, FoldsABatchNormalizationIntoATransposedConvolution) {
  const ValueId x = b.input("x", {-1, 4, 5});
  const ValueId y = b.node("conv_transpose1d", {x, constant("w", {4, 3, 4})}, "conv", {{"strides", Ints{2}}});
  b.output(batch_norm(y, 3));
  expect_fused("fold_batch_norm", {"conv_transpose1d"}, {{2, 4, 5}});
}

TEST_F(Fuse, FoldsABatchNormalizationIntoATransposedConvolutionOfGroups) {
  const ValueId x = b.input("x", {-1, 6, 4, 5});
  const ValueId y = b.node("conv_transpose2d", {x, constant("w", {6, 2, 3, 3}), constant("bias", {6})},
                           "conv", {{"group", int64_t{3}}, {"strides", Ints{2, 2}}});
  b.output(batch_norm(y, 6));
  expect_fused("fold_batch_norm", {"conv_transpose2d"}, {{2, 6, 4, 5}});
}

TEST_F(Fuse, FoldsABatchNormalizationIntoALinear) {
  const ValueId x = b.input("x", {-1, 7});
  b.output(batch_norm(b.node("linear", {x, constant("w", {5, 7})}, "linear"), 5));
  expect_fused("fold_batch_norm", {"linear"}, {{3, 7}});
}

TEST_F(Fuse, LeavesABatchNormalizationOverAnotherAxisThanTheChannelsOfALinear) {
  const ValueId x = b.input("x", {-1, 5, 7});
  b.output(batch_norm(b.node("linear", {x, constant("w", {5, 7})}, "linear"), 5));
  expect_fused("fold_batch_norm", {"linear", "batch_norm"}, {{3, 5, 7}});
}

TEST_F(Fuse, MakesAConstantThatIsAddedToAMatmulItsBias) {
  const ValueId x = b.input("x", {-1, 4, 6}), y = b.input("y", {-1, 6, 5});
  const ValueId sum = b.node("add", {constant("added", {5}), b.node("matmul", {x, y}, "product")}, "sum");
  b.output(b.node("relu", {sum}, "relu"));
  expect_fused("fuse_bias", {"matmul", "relu"}, {{2, 4, 6}, {2, 6, 5}});
  expect_fused("fuse_activation", {"matmul", "add"}, {{2, 4, 6}, {2, 6, 5}});
}

TEST_F(Fuse, LeavesAConstantThatIsAddedToTheRowsOfAMatrixTimesAVector) {
  const ValueId x = b.input("x", {-1, 4, 6}), y = b.input("y", {6});
  b.output(b.node("add", {b.node("matmul", {x, y}, "product"), constant("added", {4})}, "sum"));
  expect_fused("fuse_bias", {"matmul", "add"}, {{2, 4, 6}, {6}});
}

TEST_F(Fuse, MakesAConstantThatIsAddedToATransposedConvolutionItsBias) {
  const ValueId x = b.input("x", {-1, 6, 5});
  const ValueId y =
      b.node("conv_transpose1d", {x, constant("w", {6, 2, 3})}, "conv", {{"group", int64_t{2}}});
  b.output(b.node("add", {y, constant("added", {1, 4, 1})}, "sum"));
  expect_fused("fuse_bias", {"conv_transpose1d"}, {{2, 6, 5}});
}

// ---- their integers ----

Graph converted(const Graph& graph, const Tensor& x) {
  const Recipe recipe =
      parse_recipe("activations: {method: minmax}\nweights: {dtype: qint8, quant_min: -127}\n", "test");
  Changes changes;
  Graph placed = run_pass("place_observers", graph, {.recipe = &recipe}, changes);
  Stats stats;
  ExecOptions options{.batch = x.type.shape[0]};
  for (size_t i = 0; i < placed.values.size(); ++i)
    if (placed.values[i].observation && !placed.values[i].constant)
      options.keep.push_back(static_cast<ValueId>(i));
  Executable executable(placed, options);
  const View view = x.view();
  executable.run({&view, 1}, [&](ValueId id, View values) {
    const Value& value = placed.values[static_cast<size_t>(id)];
    if (!value.observation || value.observation->observer.empty()) return;
    const ObserverDef& def = *find_observer(value.observation->observer);
    ObserverState state = def.init(1);
    def.update(state, values, 0, kernels_for(""));
    stats.entries[value.name] = {value.observation->observer, state};
  });
  stats.samples = 1;
  Graph calibrated = run_pass("calibrate", std::move(placed), {.stats = &stats}, changes);
  return run_pass("convert", std::move(calibrated), {}, changes);
}

TEST_F(Fuse, QuantizesTheBiasOfEveryGroupWithTheScaleOfItsColumn) {
  const ValueId x = b.input("x", {-1, 4, 5});
  const ValueId w = b.constant("w", {4, 2, 1}, {1, 8, -1, 4, 0.5f, -8, 1, 2});
  b.output(b.node("conv_transpose1d", {x, w, b.constant("bias", {4}, {1, 2, -3, 4})}, "conv",
                  {{"group", int64_t{2}}, {"strides", Ints{2}}}));
  const Graph graph = b.graph();
  const Tensor in = make_tensor(Shape{3, 4, 5}, numbers({3, 4, 5}));
  const Graph integers = converted(graph, in);
  validate(integers);
  const auto value = [&](const char* name) {
    return integers.values[static_cast<size_t>(find_value(integers, name))];
  };
  const QParams weight = *value("w").type.qparams, bias = *value("bias").type.qparams;
  EXPECT_EQ(weight.axis, 1);
  ASSERT_EQ(weight.scales.size(), 2u);
  ASSERT_EQ(bias.scales.size(), 4u);
  EXPECT_EQ(bias.scales[0], bias.scales[2]);
  EXPECT_EQ(bias.scales[1], bias.scales[3]);
  EXPECT_EQ(bias.scales[1] / bias.scales[0], weight.scales[1] / weight.scales[0]);
  const Tensor levels = value("bias").constant();
  for (size_t c = 0; c < 4; ++c)
    EXPECT_NEAR(levels.as<int32_t>()[c] * bias.scales[c], std::vector<double>({1, 2, -3, 4})[c],
                bias.scales[c]);

  const std::vector<float> wanted = run(graph, {in}), got = run(integers, {in});
  const auto [least, most] = std::minmax_element(wanted.begin(), wanted.end());
  // half a step of the output and what operands rounded by half a step of theirs make of it
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 2 * (*most - *least) / 255) << i;
}

TEST_F(Fuse, MultipliesActivationsAsIntegers) {
  const ValueId x = b.input("x", {-1, 6, 6});
  const ValueId product =
      b.node("matmul", {x, b.node("relu", {x}, "relu")}, "product", {{"trans_b", int64_t{1}}});
  b.output(b.node("add", {product, constant("added", {6})}, "sum"));
  Changes changes;
  const Graph graph = run_pass("fuse_bias", b.graph(), {}, changes);
  const Tensor in = make_tensor(Shape{3, 6, 6}, numbers({3, 6, 6}));
  const Graph integers = converted(graph, in);
  validate(integers);
  for (const Node& node : integers.nodes) EXPECT_EQ(node.float_reason, "") << node.name;
  const std::vector<float> wanted = run(graph, {in}), got = run(integers, {in});
  const auto [least, most] = std::minmax_element(wanted.begin(), wanted.end());
  // half a step of the output, and 6 products of operands up to 1 that are off by half a step of 2 / 255
  const float bound = 0.5f * (*most - *least) / 255 + 6 * 2 * 1.f / 255;
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], bound) << i;
}

}  // namespace
}  // namespace q
