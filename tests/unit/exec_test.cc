// The executor: plans that do not overlap, the same bits for every batch, order of storage and number of
// threads.
#include "q/exec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "build_graph.h"
#include "exec/arena.h"
#include "exec/layout.h"
#include "q/pass.h"
#include "q/recipe.h"
#include "seed.h"

namespace q {
namespace {

std::vector<float> random_values(int64_t count, std::mt19937_64& random, float lo = -1, float hi = 1) {
  std::uniform_real_distribution<float> draw(lo, hi);
  std::vector<float> out(static_cast<size_t>(count));
  for (float& value : out) value = draw(random);
  return out;
}

// A conv net with everything the plan must get right: both orders of storage, a residual, a head that is
// row-major.
Graph small_net(std::mt19937_64& random) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 3, 8, 6});
  const ValueId stem = b.node("conv2d", {x, b.constant("w1", {8, 3, 3, 3}, random_values(216, random))},
                              "stem", {{"pads", Ints{1, 1, 1, 1}}, {"min", 0.0}});
  const ValueId depth = b.node("conv2d",
                               {stem, b.constant("w2", {8, 1, 3, 3}, random_values(72, random)),
                                b.constant("b2", {8}, random_values(8, random))},
                               "depth", {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{8}}});
  const ValueId sum = b.node("add", {stem, depth}, "sum", {{"min", 0.0}});
  const ValueId pooled =
      b.node("max_pool", {sum}, "pooled", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  const ValueId gate = b.node("sigmoid", {pooled}, "gate");
  const ValueId scaled = b.node("mul", {gate, pooled}, "scaled");
  const ValueId flat = b.node("flatten", {scaled}, "flat");
  b.output(b.node("linear",
                  {flat, b.constant("w3", {5, 96}, random_values(480, random)),
                   b.constant("b3", {5}, random_values(5, random))},
                  "y"));
  return b.graph();
}

std::map<std::string, std::vector<uint8_t>> run(const Graph& graph, const Tensor& x,
                                                ExecOptions options = {}) {
  options.batch = x.type.shape[0];
  Executable executable(graph, options);
  std::map<std::string, std::vector<uint8_t>> out;
  const View view = x.view();
  executable.run({&view, 1}, [&](ValueId id, View result) {
    const uint8_t* first = result.as<uint8_t>();
    out[graph.values[static_cast<size_t>(id)].name] = {first, first + bytes(result.dtype, result.shape)};
  });
  return out;
}

// Observed over x with the recipe, calibrated and converted.
Graph quantized(const Graph& graph, const Tensor& x, const std::string& recipe_text) {
  const Recipe recipe = parse_recipe(recipe_text, "test");
  Changes changes;
  Graph placed = run_pass("place_observers", graph, {.recipe = &recipe}, changes);
  Stats stats;
  ExecOptions options{.batch = x.type.shape[0]};
  for (size_t i = 0; i < placed.values.size(); ++i)
    if (placed.values[i].observation && !placed.values[i].constant &&
        !placed.values[i].observation->observer.empty())
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
  Graph calibrated = run_pass("calibrate", std::move(placed), {.stats = &stats}, changes);
  Graph converted = run_pass("convert", std::move(calibrated), {}, changes);
  validate(converted);
  return converted;
}

constexpr const char* kU8Recipe = "activations: {dtype: quint8}\nweights: {dtype: qint8, quant_min: -127}\n";
constexpr const char* kI8Recipe = "activations: {dtype: qint8}\nweights: {dtype: qint8, quant_min: -127}\n";

Tensor slice(const Tensor& x, int64_t first, int64_t count) {
  Shape shape = x.type.shape;
  const int64_t row = elements(shape) / shape[0];
  shape[0] = count;
  Tensor out = make_tensor(DType::kF32, shape);
  std::copy_n(x.as<float>() + first * row, count * row, out.as<float>());
  return out;
}

TEST(Arena, NeverPlacesBuffersThatLiveTogetherOverEachOther) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random() % 30);
      buffers.push_back({random() % 5000, first, first + static_cast<int>(random() % 6), 0});
    }
    const size_t total = plan_arena(buffers);
    for (size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_EQ(buffers[i].offset % 64, 0u);
      EXPECT_LE(buffers[i].offset + buffers[i].bytes + 64, total);
      for (size_t j = 0; j < i; ++j) {
        const Buffer &a = buffers[i], &b = buffers[j];
        const bool alive = a.first <= b.last && b.first <= a.last;
        const bool apart = a.offset + a.bytes + 64 <= b.offset || b.offset + b.bytes + 64 <= a.offset;
        EXPECT_TRUE(!alive || apart);
      }
    }
  }
}

TEST(Arena, ReusesThePlaceOfWhatIsNoLongerNeeded) {
  std::vector<Buffer> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1, 0});
  EXPECT_LE(plan_arena(chain), 2 * 1088u);
}

TEST(Layout, RoundTripsAnyShape) {
  for (const Shape& shape : {Shape{2, 3, 5}, Shape{1, 70, 33, 2}, Shape{2, 4, 3, 2, 5}}) {
    const int64_t count = elements(shape);
    std::vector<uint8_t> from(static_cast<size_t>(count)), there(from.size()), back(from.size());
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 7);
    to_channels_last(reinterpret_cast<std::byte*>(from.data()), reinterpret_cast<std::byte*>(there.data()),
                     shape, 1);
    to_row_major(reinterpret_cast<std::byte*>(there.data()), reinterpret_cast<std::byte*>(back.data()), shape,
                 1);
    EXPECT_EQ(from, back);
  }
}

TEST(Layout, PutsChannelsLast) {
  const uint8_t from[] = {0, 1, 2, 3, 10, 11, 12, 13};  // [1, 2, 2, 2]
  uint8_t to[8];
  to_channels_last(reinterpret_cast<const std::byte*>(from), reinterpret_cast<std::byte*>(to),
                   Shape{1, 2, 2, 2}, 1);
  const uint8_t wanted[] = {0, 10, 1, 11, 2, 12, 3, 13};
  EXPECT_EQ(std::memcmp(to, wanted, 8), 0);
  EXPECT_EQ(stored_shape(Shape{1, 2, 3, 4}), (Shape{1, 3, 4, 2}));
}

struct Exec : testing::Test {
  uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  std::mt19937_64 random{seed};
  Graph net = small_net(random);
  Tensor x = make_tensor(Shape{6, 3, 8, 6}, random_values(6 * 144, random, -2, 2));
};

TEST_F(Exec, GivesTheSameBitsForEveryBatch) {
  for (const Graph& graph : {net, quantized(net, x, kU8Recipe)}) {
    const std::vector<uint8_t> whole = run(graph, x)["y"];
    std::vector<uint8_t> pieces;
    for (const auto& [first, count] : {std::pair(0, 1), std::pair(1, 3), std::pair(4, 2)}) {
      const std::vector<uint8_t> piece = run(graph, slice(x, first, count))["y"];
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(whole, pieces);
  }
}

TEST_F(Exec, GivesTheSameBitsForEveryNumberOfThreads) {
  const Graph integers = quantized(net, x, kU8Recipe);
  set_threads(1);
  const auto float_one = run(net, x), integer_one = run(integers, x);
  for (int count : {2, 3, 4}) {
    set_threads(count);
    EXPECT_EQ(float_one, run(net, x));
    EXPECT_EQ(integer_one, run(integers, x));
  }
  set_threads(0);
}

TEST_F(Exec, GivesTheSameBitsOnEveryRowOfKernels) {
  const Graph integers = quantized(net, x, kU8Recipe);
  const auto float_generic = run(net, x, {.isa = "generic"}),
             integer_generic = run(integers, x, {.isa = "generic"});
  for (const std::string& isa : available_isas()) {
    EXPECT_EQ(float_generic, run(net, x, {.isa = isa})) << isa;
    EXPECT_EQ(integer_generic, run(integers, x, {.isa = isa})) << isa;
  }
}

TEST_F(Exec, DeliversKeptValuesWholeAndInRowMajorOrder) {
  ExecOptions all;
  for (size_t i = 0; i < net.values.size(); ++i)
    if (!net.values[i].constant) all.keep.push_back(static_cast<ValueId>(i));
  const auto kept = run(net, x, all);
  EXPECT_EQ(kept.size(), 9u);
  EXPECT_EQ(std::memcmp(kept.at("x").data(), x.data.get(), kept.at("x").size()), 0);
  // the same net cut after each value gives the same bytes
  for (const auto& [name, data] : kept) {
    Graph cut = net;
    cut.outputs = {find_value(cut, name)};
    if (name == "x") continue;
    EXPECT_EQ(run(cut, x).at(name), data) << name;
  }
}

// ---- elementwise operators joined to the weighted one before them ----

std::vector<std::string> step_ops(const Graph& graph, ExecOptions options) {
  Executable executable(graph, options);
  std::vector<std::string> ops;
  for (const Executable::Step& step : executable.steps()) ops.push_back(step.op);
  return ops;
}

bool has(const std::vector<std::string>& ops, const std::string& op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

ExecOptions keeping(const Graph& graph, const std::string& name) {
  return {.keep = {find_value(graph, name)}};
}

// Kept values are not joined: the bits of both ways must be the same.
void expect_joined_like_apart(const Graph& graph, const Tensor& x, const std::string& joined,
                              const std::string& kept) {
  EXPECT_TRUE(has(step_ops(graph, {}), joined)) << joined;
  EXPECT_FALSE(has(step_ops(graph, keeping(graph, kept)), joined)) << joined;
  for (const std::string& isa : available_isas()) {
    ExecOptions apart = keeping(graph, kept);
    apart.isa = isa;
    EXPECT_EQ(run(graph, x, {.isa = isa})["y"], run(graph, x, apart)["y"]) << joined << " on " << isa;
  }
}

TEST_F(Exec, JoinsAResidualAddToItsConvolutionAndChangesNoBit) {
  expect_joined_like_apart(net, x, "conv2d+add", "depth");
  expect_joined_like_apart(quantized(net, x, kU8Recipe), x, "conv2d+add", "depth");
  expect_joined_like_apart(quantized(net, x, kI8Recipe), x, "conv2d+add", "depth");
}

// Several panels and blocks of rows, a table and then the sum with an earlier value; a product joined too.
TEST_F(Exec, JoinsOneReaderAfterTheOther) {
  GraphBuilder b;
  const ValueId in = b.input("x", {kFree, 3, 8, 6});
  const ValueId first =
      b.node("conv2d", {in, b.constant("w1", {150, 3, 1, 1}, random_values(450, random))}, "first");
  const ValueId second = b.node(
      "conv2d", {first, b.constant("w2", {150, 150, 3, 3}, random_values(202500, random, -0.1f, 0.1f))},
      "second", {{"pads", Ints{1, 1, 1, 1}}});
  const ValueId table = b.node("tanh", {second}, "table");
  const ValueId sum = b.node("add", {first, table}, "sum");
  const ValueId flat = b.node("flatten", {sum}, "flat");
  const ValueId head = b.node(
      "linear", {flat, b.constant("w3", {9, 7200}, random_values(64800, random, -0.1f, 0.1f))}, "head");
  b.output(b.node("relu", {head}, "y"));
  const Graph deep = b.graph();
  for (const Graph& graph : {deep, quantized(deep, x, kU8Recipe)}) {
    expect_joined_like_apart(graph, x, "conv2d+tanh+add", "table");
    expect_joined_like_apart(graph, x, "linear+relu", "head");
    set_threads(1);
    const auto one = run(graph, x);
    set_threads(3);
    EXPECT_EQ(run(graph, x), one);
    set_threads(0);
  }
}

TEST_F(Exec, LeavesApartWhatIsReadTwiceOrSpreadOrComputedLater) {
  GraphBuilder b;
  const ValueId in = b.input("x", {kFree, 3, 8, 6});
  const auto conv = [&](ValueId from, const std::string& name) {
    return b.node("conv2d", {from, b.constant(name + ".w", {3, 3, 1, 1}, random_values(9, random))}, name);
  };
  const ValueId a = conv(in, "a");
  const ValueId gated = b.node("mul", {a, b.node("sigmoid", {a}, "gate")}, "gated");
  const ValueId c = conv(gated, "c");
  const ValueId spread = b.node("add", {c, b.constant("shift", {3, 1, 1}, {1, 2, 3})}, "spread");
  const ValueId d = conv(spread, "d");
  const ValueId twice = b.node("add", {d, d}, "twice");
  const ValueId early = conv(twice, "early"), late = conv(spread, "late");
  b.output(b.node("add", {early, late}, "y"));  // only the later of the two can take it
  const Graph graph = b.graph();
  const std::vector<std::string> ops = step_ops(graph, {});
  EXPECT_EQ(std::count(ops.begin(), ops.end(), "conv2d"), 4);
  EXPECT_EQ(std::count(ops.begin(), ops.end(), "conv2d+add"), 1);
  ExecOptions all;
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (!graph.values[i].constant) all.keep.push_back(static_cast<ValueId>(i));
  EXPECT_EQ(run(graph, x)["y"], run(graph, x, all)["y"]);
}

TEST_F(Exec, ComputesSignedActivationsAsItDoesUnsignedOnes) {
  const auto by_u8 = run(quantized(net, x, kU8Recipe), x)["y"],
             by_i8 = run(quantized(net, x, kI8Recipe), x)["y"];
  // same scales, zero points 128 apart: the reals are the same
  EXPECT_EQ(by_u8, by_i8);
}

TEST_F(Exec, HandsOutSignedIntegersAsTheGraphHasThem) {
  const Graph by_i8 = quantized(net, x, kI8Recipe), by_u8 = quantized(net, x, kU8Recipe);
  const ValueId i8 = find_value(by_i8, "sum"), u8 = find_value(by_u8, "sum");
  ASSERT_EQ(by_i8.values[static_cast<size_t>(i8)].type.dtype, DType::kI8);
  const auto a = run(by_i8, x, {.keep = {i8}})["sum"], b = run(by_u8, x, {.keep = {u8}})["sum"];
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i] ^ 0x80, b[i]);
}

TEST_F(Exec, QuantizesTheWholeNetWithoutAnIsland) {
  const Graph integers = quantized(net, x, kU8Recipe);
  for (const Node& node : integers.nodes) {
    if (node.op == "dequantize") continue;
    EXPECT_TRUE(integers.values[static_cast<size_t>(node.outputs[0])].type.qparams) << node.name;
  }
  EXPECT_EQ(integers.nodes.size(), net.nodes.size() + 2);
}

TEST_F(Exec, StaysNearTheFloatResult) {
  const auto real = run(net, x)["y"], approximate = run(quantized(net, x, kU8Recipe), x)["y"];
  const auto* a = reinterpret_cast<const float*>(real.data());
  const auto* b = reinterpret_cast<const float*>(approximate.data());
  double error = 0, power = 0;
  for (size_t i = 0; i < real.size() / 4; ++i) error += (a[i] - b[i]) * (a[i] - b[i]), power += a[i] * a[i];
  EXPECT_LT(error, power / 100);  // 20 dB; eight bits give about 30
}

TEST_F(Exec, KeepsANodeFloatWhenTheRecipeSaysSo) {
  const Graph mixed =
      quantized(net, x, std::string(kU8Recipe) + "rules:\n  - {name: depth, quantize: false}\n");
  const ValueId depth = find_value(mixed, "depth");
  EXPECT_EQ(mixed.values[static_cast<size_t>(depth)].type.dtype, DType::kF32);
  EXPECT_NE(find_value(mixed, "stem.dequantized"), kNone);
  EXPECT_NE(find_value(mixed, "depth.quantized"), kNone);
  EXPECT_FALSE(run(mixed, x)["y"].empty());
}

TEST_F(Exec, RefusesAnInputOfAnotherShape) {
  Executable executable(net, {.batch = 2});
  const Tensor wrong = make_tensor(DType::kF32, Shape{2, 3, 6, 8});
  const View view = wrong.view();
  EXPECT_THROW(executable.run({&view, 1}, [](ValueId, View) {}), Error);
}

TEST_F(Exec, RefusesAnUnknownInstructionSet) { EXPECT_THROW(Executable(net, {.isa = "mmx"}), Error); }

}  // namespace
}  // namespace q
