// PyTorch's answers against ours: the committed cases of tests/golden, and any others that $Q_GOLDEN names.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "golden_case.h"
#include "golden_runner.h"

namespace q {
namespace {

const std::vector<Runner>& runners() {
  static const std::vector<Runner> all = [] {
    std::vector<Runner> out;
    for (std::span<const Runner> some :
         {quantize_runners(), weighted_runners(), pool_runners(), elementwise_runners(), norm_runners(),
          reduce_runners(), move_runners(), recurrent_runners()})
      out.insert(out.end(), some.begin(), some.end());
    return out;
  }();
  return all;
}

bool has_runner(std::string_view op) {
  return std::ranges::any_of(runners(), [&](const Runner& runner) { return runner.name == op; });
}

// Runs all cases of the operator that are in the set, and says how many.
Tally run_cases(const GoldenSet& set, const Runner& runner) {
  Tally tally;
  const std::vector<GoldenCase> cases = set.read(runner.name);
  for (const GoldenCase& c : cases) {
    SCOPED_TRACE(c.name);
    runner.test(c, runner.op, tally);
  }
  tally.cases = cases.size() - tally.without_operator;
  std::printf(
      "             %s: %zu cases, %zu without an operator; %zu elements, %zu differ within the tolerance\n",
      runner.name, tally.cases, tally.without_operator, tally.elements, tally.different);
  return tally;
}

void print_operators_without_runner(const GoldenSet& set) {
  size_t total = 0;
  for (const auto& [op, count] : set.counts()) {
    if (has_runner(op)) continue;
    std::printf("             not run, no operator: %-36s %4zu\n", op.c_str(), count);
    total += count;
  }
  std::printf("             not run, no operator: %zu cases in all\n", total);
}

const std::string& shared_folder() {
  static const std::string folder = [] {
    const char* given = std::getenv("Q_GOLDEN");
    return given != nullptr ? std::string(given) : std::string(Q_SOURCE_DIR "/../shared/golden");
  }();
  return folder;
}

const GoldenSet& committed() {
  static const GoldenSet set(Q_SOURCE_DIR "/tests/golden");
  return set;
}

const GoldenSet& shared() {
  static const GoldenSet set(shared_folder());
  return set;
}

struct Golden : testing::TestWithParam<Runner> {};

TEST_P(Golden, CommittedCasesGiveWhatPyTorchGives) {
  EXPECT_GT(run_cases(committed(), GetParam()).cases, 0u);
}

TEST_P(Golden, SharedCasesGiveWhatPyTorchGives) {
  if (!shared().counts().contains(GetParam().name))
    GTEST_SKIP() << shared_folder() << ": no case of " << GetParam().name;
  EXPECT_GT(run_cases(shared(), GetParam()).cases, 0u);
}

std::string operator_name(const testing::TestParamInfo<Runner>& runner) { return runner.param.name; }

INSTANTIATE_TEST_SUITE_P(Operators, Golden, testing::ValuesIn(runners()), operator_name);

TEST(GoldenSets, LeaveNoCommittedCaseWithoutATest) {
  for (const auto& [op, count] : committed().counts()) EXPECT_TRUE(has_runner(op)) << op;
}

TEST(GoldenSets, NameTheSharedCasesOfOperatorsThatAreNotHere) {
  const auto counts = shared().counts();
  const bool asked_for = std::getenv("Q_GOLDEN") != nullptr;
  if (counts.empty() && !asked_for)
    GTEST_SKIP() << shared_folder() << ": no cases; $Q_GOLDEN names another folder";
  print_operators_without_runner(shared());
  EXPECT_TRUE(
      std::any_of(counts.begin(), counts.end(), [](const auto& each) { return has_runner(each.first); }));
}

}  // namespace
}  // namespace q
