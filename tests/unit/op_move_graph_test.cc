// Operators that move and pick elements within graphs: in the order images are stored in, and as integers.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "build_graph.h"
#include "q/exec.h"
#include "q/observer.h"
#include "q/pass.h"
#include "q/recipe.h"

namespace q {
namespace {

using Numbers = std::vector<float>;

// The output of the graph, as floats.
Numbers result(const Graph& graph, const Tensor& x) {
  Executable executable(graph, {.batch = x.type.shape[0]});
  const View view = x.view();
  Numbers out;
  executable.run({&view, 1},
                 [&](ValueId, View y) { out.assign(y.as<float>(), y.as<float>() + elements(y.shape)); });
  return out;
}

// Observed over x, calibrated and converted.
Graph quantized(const Graph& graph, const Tensor& x, Changes& changes) {
  const Recipe recipe = parse_recipe("activations: {dtype: quint8, method: minmax}", "test");
  Graph placed = run_pass("place_observers", graph, {.recipe = &recipe}, changes);
  ExecOptions options{.batch = x.type.shape[0]};
  for (size_t i = 0; i < placed.values.size(); ++i)
    if (placed.values[i].observation && !placed.values[i].constant)
      options.keep.push_back(static_cast<ValueId>(i));
  Stats stats;
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
  return run_pass("convert", std::move(calibrated), {}, changes);
}

TEST(StoredImages, AreCutAlongTheAxesThatAreMeant) {  // a pool has them stored channels-last
  const Attrs pixel = {{"kernel_shape", Ints{1, 1}}};
  GraphBuilder b;
  const ValueId image = b.node("max_pool", {b.input("x", {kFree, 4, 2, 2})}, "image", pixel);
  const ValueId cut =
      b.node("slice", {image}, "cut",
             {{"axes", Ints{1, -1}}, {"starts", Ints{-1, 1}}, {"ends", Ints{1, 2}}, {"steps", Ints{-1, 1}}});
  b.output(b.node("max_pool", {cut}, "y", pixel));
  Numbers values(16);
  std::iota(values.begin(), values.end(), 0.f);
  EXPECT_EQ(result(b.graph(), make_tensor({1, 4, 2, 2}, values)), (Numbers{13, 15, 9, 11}));
}

TEST(EmbeddedTokens, BecomeIntegersWhileTheirIndicesStay) {
  GraphBuilder b;
  const ValueId tokens = b.input("tokens", {kFree, 3});
  const ValueId table = b.constant("table", {4, 2}, {-1, 2, 0.5f, -0.25f, 3, 1, -2, 0});
  b.output(b.node("relu", {b.node("embedding", {tokens, table}, "rows")}, "y"));
  const Graph graph = b.graph();
  const Tensor x = make_tensor({2, 3}, Numbers{0, 1, 2, 3, -1, 2});
  Changes changes;
  const Graph integers = quantized(graph, x, changes);
  const Numbers wanted = result(graph, x), got = result(integers, x);
  ASSERT_EQ(got.size(), 12u);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 0.03) << i;  // two steps of 5 / 255
  const ValueId rows = find_value(integers, "rows"), indices = find_value(integers, "tokens");
  EXPECT_EQ(integers.values[static_cast<size_t>(rows)].type.dtype, DType::kU8);
  EXPECT_EQ(integers.values[static_cast<size_t>(indices)].type.dtype, DType::kF32);
}

TEST(EmbeddedTokens, KeepTheirTableBeforeANormalization) {  // whose channels are not the table's rows
  GraphBuilder b;
  const ValueId table = b.constant("table", {2, 2}, {1, 2, 3, 4});
  const ValueId rows = b.node("embedding", {b.input("tokens", {kFree}), table}, "rows");
  const ValueId ones = b.constant("ones", {2}, {1, 1}), halves = b.constant("halves", {2}, {0.5f, 8});
  b.output(b.node("batch_norm", {rows, halves, ones, ones, ones}, "y"));
  Changes changes;
  const Graph after = run_pass("fold_batch_norm", b.graph(), {}, changes);
  EXPECT_EQ(after.nodes.size(), 2u);
  EXPECT_TRUE(changes.empty());
}

}  // namespace
}  // namespace q
