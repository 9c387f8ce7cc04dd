// Recurrent layers through the passes that quantize: several weights, several outputs, initial states.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "q/exec.h"
#include "q/graph.h"
#include "q/observer.h"
#include "q/pass.h"
#include "q/recipe.h"
#include "seed.h"

namespace q {
namespace {

using Names = std::vector<std::string>;
using Values = std::map<std::string, Tensor>;

constexpr int64_t kSamples = 6, kSteps = 5, kInputs = 3, kHidden = 8;

// x [N, T, I] and the first h [N, 1, H] through layers; samples come first everywhere.
class PassRecurrent : public testing::Test {
 protected:
  void SetUp() override {
    add_input("x", {kFree, kSteps, kInputs});
    for (const int64_t gates : {1, 3, 4}) {
      const std::string of = std::to_string(gates);
      add_constant("w" + of, {gates * kHidden, kInputs});
      add_constant("r" + of, {gates * kHidden, kHidden});
      add_constant("b" + of, {2, gates * kHidden});
    }
  }

  // ---- graphs ----

  Tensor random_tensor(const Shape& shape) {
    std::uniform_real_distribution<float> draw(-0.8f, 0.8f);
    Tensor out = make_tensor(DType::kF32, shape);
    for (int64_t i = 0; i < elements(shape); ++i) out.as<float>()[i] = draw(random_);
    return out;
  }
  void add_input(const std::string& name, Shape shape) {
    graph_.inputs.push_back(add_value(graph_, {name, {DType::kF32, shape, {}}, {}, {}}));
    shape[0] = kSamples;
    inputs_[name] = random_tensor(shape);
  }
  void add_constant(const std::string& name, const Shape& shape) {
    add_value(graph_, {name, {DType::kF32, shape, {}}, {}, constant_of(random_tensor(shape))});
  }
  void add_node(const std::string& op, const Names& inputs, const Names& outputs, const Attrs& attrs = {}) {
    Node node{.op = op, .name = outputs[0], .attrs = attrs};
    for (const std::string& input : inputs) node.inputs.push_back(find_value(graph_, input));
    for (const std::string& output : outputs) node.outputs.push_back(add_value(graph_, {output, {}, {}, {}}));
    graph_.nodes.push_back(std::move(node));
  }
  void add_lstm(const Names& more = {}) {
    Names inputs = {"x", "w4", "r4", "b4"};
    inputs.insert(inputs.end(), more.begin(), more.end());
    add_node("lstm", inputs, {"y", "h", "c"}, {{"layout", int64_t{1}}});
  }

  Value& value(const std::string& name) {
    return graph_.values.at(static_cast<size_t>(find_value(graph_, name)));
  }
  const Node& node(const std::string& name) { return *std::ranges::find(graph_.nodes, name, &Node::name); }
  Names ops() const {
    Names out;
    for (const Node& node : graph_.nodes) out.push_back(node.op);
    return out;
  }

  // ---- passes ----

  void place(const Names& outputs, std::string_view recipe_text = "activations: {method: minmax}") {
    for (const std::string& output : outputs) graph_.outputs.push_back(find_value(graph_, output));
    remove_unused(graph_);
    infer_shapes(graph_);
    validate(graph_);
    float_graph_ = graph_;
    const Recipe recipe = parse_recipe(recipe_text, "test");
    graph_ = run_pass("place_observers", std::move(graph_), {.recipe = &recipe}, changes_);
  }

  void calibrate() {
    std::vector<ValueId> keep;
    for (const Node& each : graph_.nodes) keep.insert(keep.end(), each.outputs.begin(), each.outputs.end());
    Values seen = run(graph_, keep);
    seen.insert(inputs_.begin(), inputs_.end());
    Stats stats;
    for (const Value& each : graph_.values) {
      if (!each.observation || each.constant || each.observation->observer.empty()) continue;
      const ObserverDef& def = *find_observer(each.observation->observer);
      ObserverState state = def.init(1);
      def.update(state, seen.at(each.name).view(), 0, *kernels_up_to("generic"));
      stats.entries[each.name] = {each.observation->observer, state};
    }
    graph_ = run_pass("calibrate", std::move(graph_), {.stats = &stats}, changes_);
  }

  void convert() {
    graph_ = run_pass("convert", std::move(graph_), {}, changes_);
    validate(graph_);
  }

  Values run(const Graph& graph, const std::vector<ValueId>& keep = {}) {
    std::vector<View> in;
    for (ValueId id : graph.inputs)
      in.push_back(inputs_.at(graph.values[static_cast<size_t>(id)].name).view());
    Values out;
    Executable(graph, {.batch = kSamples, .keep = keep}).run(in, [&](ValueId id, View view) {
      Tensor copy = make_tensor(view.dtype, view.shape);
      std::copy_n(view.data, bytes(view.dtype, view.shape), copy.data.get());
      out[graph.values[static_cast<size_t>(id)].name] = copy;
    });
    return out;
  }

  void expect_near_float(const Names& outputs) {
    // h is told in steps of 1/128; gates and the steps that follow carry some of that on, in a few elements
    // much
    constexpr double kNear = 0.04, kFarthest = 0.25;
    const Values wanted = run(float_graph_), found = run(graph_);
    for (const std::string& name : outputs) {
      const Tensor &a = wanted.at(name), &b = found.at(name);
      ASSERT_EQ(a.type.shape, b.type.shape);
      double squares = 0;
      for (int64_t i = 0; i < elements(a.type.shape); ++i) {
        ASSERT_NEAR(a.as<float>()[i], b.as<float>()[i], kFarthest) << name << " element " << i;
        squares += std::pow(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i], 2);
      }
      EXPECT_LE(std::sqrt(squares / static_cast<double>(elements(a.type.shape))), kNear) << name;
    }
  }

  const uint64_t seed_ = test_seed();
  testing::ScopedTrace trace_{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed_};
  std::mt19937_64 random_{seed_};
  Graph graph_, float_graph_;
  Values inputs_;
  Changes changes_;
};

TEST_F(PassRecurrent, BothWeightsAreObservedByRowAndEachOutputByItself) {
  add_lstm();
  place({"y", "h", "c"});
  for (const char* weight : {"w4", "r4"}) {
    ASSERT_TRUE(value(weight).observation) << weight;
    EXPECT_EQ(value(weight).observation->spec.scheme, QScheme::kPerChannelSymmetric);
    EXPECT_EQ(value(weight).observation->spec.axis, 0);
  }
  EXPECT_FALSE(value("b4").observation);
  for (const char* name : {"x", "y", "h", "c"}) EXPECT_TRUE(value(name).observation) << name;
  calibrate();
  for (const char* weight : {"w4", "r4"})
    EXPECT_EQ(value(weight).type.qparams.value().scales.size(), 4u * kHidden);
  EXPECT_NE(value("c").type.qparams.value(), value("y").type.qparams.value());
}

TEST_F(PassRecurrent, BecomeIntegersWithTheirWeights) {
  add_lstm();
  add_node("gru", {"x", "w3", "r3", "b3"}, {"y3", "h3"},
           {{"layout", int64_t{1}}, {"linear_before_reset", int64_t{1}}});
  add_node("rnn", {"x", "w1", "r1", "b1"}, {"y1", "h1"}, {{"layout", int64_t{1}}});
  const Names outputs = {"y", "h", "c", "y3", "h3", "y1", "h1"};
  place(outputs);
  calibrate();
  convert();
  for (const char* weight : {"w1", "r1", "w3", "r3", "w4", "r4"})
    EXPECT_EQ(value(weight).type.dtype, DType::kI8) << weight;
  for (const char* bias : {"b1", "b3", "b4"}) EXPECT_EQ(value(bias).type.dtype, DType::kF32) << bias;
  EXPECT_EQ(value("c.quantized").type.dtype, DType::kU8);
  expect_near_float(outputs);
}

TEST_F(PassRecurrent, OutputsThatNobodyReadsNeedNoReader) {
  add_lstm();
  place({"h"});
  calibrate();
  convert();
  EXPECT_EQ(ops(), Names({"quantize", "lstm", "dequantize"}));
  expect_near_float({"h"});
}

TEST_F(PassRecurrent, IntegersGoFromOneLayerToTheNextAndFloatsToWhoWantsThem) {
  add_lstm();
  add_node("reshape", {"y"}, {"steps"}, {{"shape", Ints{0, kSteps, kHidden}}});
  add_constant("w", {3 * kHidden, kHidden});
  add_node("gru", {"steps", "w", "r3", "b3", "h"}, {"y3", "h3"}, {{"layout", int64_t{1}}});
  add_node("rnn", {"steps", "r1", "r1"}, {"y1", "h1"}, {{"layout", int64_t{1}}});
  place({"y3", "y1", "c"}, "activations: {method: minmax}\nrules: [{op: rnn, quantize: false}]");
  calibrate();
  convert();
  EXPECT_EQ(value("h").type.dtype, DType::kU8);
  EXPECT_EQ(value("w").type.dtype, DType::kI8);
  EXPECT_EQ(value("r1").type.dtype, DType::kF32);
  EXPECT_EQ(std::ranges::count(ops(), "dequantize"), 3);
  expect_near_float({"y3", "y1", "c"});
}

TEST_F(PassRecurrent, InitialStatesAreActivations) {
  add_input("h0", {kFree, 1, kHidden});
  // as it would be after steps: within the range of y, whose integers it becomes
  for (int64_t i = 0; i < kSamples * kHidden; ++i) inputs_["h0"].as<float>()[i] *= 0.2f;
  add_constant("c0", {1, 1, kHidden});
  add_lstm({"h0", "c0"});
  place({"y", "c"});
  EXPECT_TRUE(value("h0").observation);
  EXPECT_TRUE(value("c0").observation);
  calibrate();
  convert();
  EXPECT_EQ(value("c0").type.dtype, DType::kU8);
  EXPECT_EQ(ops(), Names({"quantize", "quantize", "lstm", "dequantize", "dequantize"}));
  expect_near_float({"y", "c"});
}

TEST_F(PassRecurrent, LayersMayShareAWeightButNotOtherwiseQuantized) {
  add_lstm();
  add_node("lstm", {"x", "w4", "r4"}, {"y2", "h2", "c2"}, {{"layout", int64_t{1}}, {"direction", "reverse"}});
  place({"y", "y2"});
  calibrate();
  convert();
  EXPECT_EQ(value("r4").type.dtype, DType::kI8);
  expect_near_float({"y", "y2"});
}

TEST_F(PassRecurrent, StayFloatWhereAWeightIsComputed) {
  add_node("mul", {"r4", "r4"}, {"squares"});
  add_node("lstm", {"x", "w4", "squares", "b4"}, {"y", "h", "c"}, {{"layout", int64_t{1}}});
  place({"y"});
  EXPECT_EQ(node("y").float_reason, "squares is computed, wanted a constant");
  EXPECT_FALSE(value("w4").observation);
}

TEST_F(PassRecurrent, StayFloatByRecipe) {
  add_lstm();
  place({"y"}, "rules: [{op: lstm, quantize: false}]");
  convert();
  EXPECT_EQ(ops(), Names({"lstm"}));
}

TEST_F(PassRecurrent, WeightsMayHaveOneScale) {
  add_lstm();
  place({"y", "h", "c"}, "activations: {method: minmax}\nweights: {scheme: per_tensor_affine, dtype: i8}");
  calibrate();
  EXPECT_EQ(value("r4").type.qparams.value().scales.size(), 1u);
  convert();
  expect_near_float({"y", "h", "c"});
}

}  // namespace
}  // namespace q
