// Runs after the first allocate nothing: every allocation of C++ in this program is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#include "build_graph.h"
#include "q/exec.h"
#include "seed.h"

namespace {
std::atomic<int64_t> allocations{0};
}

[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void* operator new(size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace q {
namespace {

std::vector<float> weights(int64_t count, std::mt19937_64& random) {
  std::uniform_real_distribution<float> draw(-1, 1);
  std::vector<float> out(static_cast<size_t>(count));
  for (float& value : out) value = draw(random);
  return out;
}

// Every kind of step: padded lines, products, depthwise lines, something joined, pools, a broadcast, both
// orders.
Graph net_of_all_kinds(std::mt19937_64& random) {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 3, 20, 20});
  const ValueId stem = b.node("conv2d", {x, b.constant("w1", {24, 3, 3, 3}, weights(648, random))}, "stem",
                              {{"pads", Ints{1, 1, 1, 1}}, {"min", 0.0}});
  const ValueId depth = b.node("conv2d", {stem, b.constant("w2", {24, 1, 3, 3}, weights(216, random))},
                               "depth", {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{24}}});
  const ValueId sum = b.node("add", {stem, depth}, "sum");
  const ValueId wide =
      b.node("conv2d", {sum, b.constant("w3", {40, 24, 60, 1}, weights(57600, random))}, "wide",
             {{"pads", Ints{30, 0, 30, 0}}});  // more rows than there is room for on the stack
  const ValueId pooled =
      b.node("max_pool", {wide}, "pooled", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  const ValueId mean = b.node("adaptive_avg_pool", {pooled}, "mean", {{"output_size", Ints{1, 1}}});
  const ValueId gate = b.node("sigmoid", {mean}, "gate");
  const ValueId scaled = b.node("mul", {pooled, gate}, "scaled");
  b.output(b.node("softmax", {b.node("flatten", {scaled}, "flat")}, "y"));
  return b.graph();
}

TEST(Allocation, OnlyTheFirstRunAllocates) {
  std::mt19937_64 random{test_seed()};
  const Graph net = net_of_all_kinds(random);
  const Tensor x = make_tensor(Shape{2, 3, 20, 20}, weights(2400, random));
  const View view = x.view();
  for (const int count : {1, 2}) {
    set_threads(count);
    Executable executable(net, {.batch = 2});
    const Executable::Sink sink = [](ValueId, View) {};
    executable.run({&view, 1}, sink);
    const int64_t before = allocations.load();
    executable.run({&view, 1}, sink);
    EXPECT_EQ(allocations.load(), before) << count << " threads";
  }
  set_threads(0);
}

TEST(Allocation, IsCounted) {
  const int64_t before = allocations.load();
  const std::vector<int> one(1);
  EXPECT_EQ(allocations.load(), before + static_cast<int64_t>(one.size()));
}

}  // namespace
}  // namespace q
