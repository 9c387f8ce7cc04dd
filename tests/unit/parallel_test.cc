// Loops over threads: every index once, whoever calls, and without waiting for a thread that has no core.
#include "base/parallel.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace q {
namespace {

class Parallel : public testing::Test {
 protected:
  void TearDown() override { set_thread_count(0); }

  // How often each index came.
  static std::vector<int> visits(int64_t count) {
    std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
    parallel_for(count, [&](int64_t i) { ++seen[static_cast<size_t>(i)]; });
    return {seen.begin(), seen.end()};
  }
};

TEST_F(Parallel, VisitsEveryIndexOnceForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 7, 16}) {
    set_thread_count(threads);
    for (const int64_t count : {0, 1, 2, 3, 64, 1001})
      EXPECT_EQ(visits(count), std::vector<int>(static_cast<size_t>(count), 1)) << threads << " threads";
  }
}

TEST_F(Parallel, ManyShortLoopsLoseNothing) {
  set_thread_count(4);
  std::atomic<int64_t> sum{0};
  for (int loop = 0; loop < 20000; ++loop)
    parallel_for(4, [&](int64_t i) { sum.fetch_add(i, std::memory_order_relaxed); });
  EXPECT_EQ(sum, 20000 * 6);
}

TEST_F(Parallel, WhatALoopWroteIsThereWhenItReturns) {
  set_thread_count(3);
  std::vector<int64_t> plain(3000);
  for (int64_t round = 1; round <= 200; ++round) {
    parallel_for(3000, [&](int64_t i) { plain[static_cast<size_t>(i)] += round; });
    for (const int64_t value : plain) ASSERT_EQ(value, round * (round + 1) / 2);
  }
}

TEST_F(Parallel, ALoopWithinALoopRuns) {
  set_thread_count(3);
  std::atomic<int> inner{0};
  parallel_for(5, [&](int64_t) { parallel_for(7, [&](int64_t) { ++inner; }); });
  EXPECT_EQ(inner, 35);
}

TEST_F(Parallel, SeveralCallersRunAtTheSameTime) {
  set_thread_count(3);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 200; ++loop) right += visits(33) == std::vector<int>(33, 1);
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, 800);
}

TEST_F(Parallel, AForkedProcessDoesItAllItself) {
  set_thread_count(3);
  visits(100);
  const pid_t child = fork();
  if (child == 0) _exit(visits(1000) == std::vector<int>(1000, 1) ? 7 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(Parallel, BlocksAreTheSameForEveryNumberOfThreads) {
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    std::vector<std::atomic<int64_t>> ends(10);
    parallel_blocks(95, 10, [&](int64_t first, int64_t end) { ends[static_cast<size_t>(first / 10)] = end; });
    for (int64_t block = 0; block < 10; ++block)
      EXPECT_EQ(ends[static_cast<size_t>(block)], std::min<int64_t>(95, block * 10 + 10));
  }
}

}  // namespace
}  // namespace q
