// Samples of a batch: every operator keeps them apart wherever it takes them.
#include <algorithm>

#include "op_problem.h"
#include "ops/shared/samples.h"

namespace q {
namespace {

using namespace op_problem;

// Where the samples lie in each input: an axis, or kNone.
using SampleAxes = std::vector<int>;

// All choices of an axis, or of none, for every input that is no constant, but for those without any.
std::vector<SampleAxes> choices_of_axes(const Problem& p) {
  std::vector<SampleAxes> out = {{}};
  for (size_t i = 0; i < p.in.size(); ++i) {
    const bool is_constant = static_cast<int>(i) >= p.constants_from;
    std::vector<SampleAxes> longer;
    for (const SampleAxes& axes : out) {
      for (int axis = kNone; axis < (is_constant ? 0 : p.in[i].type.shape.rank); ++axis) {
        longer.push_back(axes);
        longer.back().push_back(axis);
      }
    }
    out = std::move(longer);
  }
  std::erase_if(out, [](const SampleAxes& axes) { return std::ranges::max(axes) == kNone; });
  return out;
}

// The shapes with so many elements along the axes of the samples.
std::vector<Shape> with_extents(const Problem& p, const SampleAxes& axes, const Ints& extents) {
  std::vector<Shape> out;
  for (size_t i = 0; i < p.in.size(); ++i) {
    out.push_back(p.in[i].type.shape);
    if (axes[i] != kNone) out.back()[axes[i]] = extents[i];
  }
  return out;
}

// The elements of sample `index` of `samples`, which lie along an axis of bytes in the order an operator
// stores them.
std::vector<uint8_t> part_of(const uint8_t* from, const TensorType& type, const OpDef& op, int axis,
                             int64_t index, int64_t samples) {
  Shape stored = type.shape;
  if (op.layout == Layout::kChannelsLast && stored.rank >= 3 && stored.rank <= 5) {
    std::rotate(stored.dims.begin() + 1, stored.dims.begin() + 2, stored.dims.begin() + stored.rank);
    if (axis > 0) axis = axis == 1 ? stored.rank - 1 : axis - 1;
  }
  int64_t outer = 1, inner = bits_of(type.dtype) / 8;
  for (int i = 0; i < axis; ++i) outer *= stored[i];
  for (int i = axis + 1; i < stored.rank; ++i) inner *= stored[i];
  const int64_t run_bytes = stored[axis] / samples * inner;
  std::vector<uint8_t> out;
  for (int64_t i = 0; i < outer; ++i) {
    const uint8_t* begin = from + (i * samples + index) * run_bytes;
    out.insert(out.end(), begin, begin + run_bytes);
  }
  return out;
}

// The problem of one sample of several.
Problem one_of(const Problem& all, const SampleAxes& axes, const std::vector<Shape>& out, int64_t index,
               int64_t samples) {
  Problem one = all;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] == kNone) continue;
    const std::vector<uint8_t> part =
        part_of(all.in[i].as<uint8_t>(), all.in[i].type, *all.op, axes[i], index, samples);
    TensorType type = all.in[i].type;
    type.shape[axes[i]] /= samples;
    one.in[i] = make_tensor(type);
    std::ranges::copy(part, one.in[i].as<uint8_t>());
  }
  one.out.shape = out.at(0);
  for (size_t i = 1; i < out.size(); ++i) one.more_outs[i - 1].shape = out[i];
  return one;
}

// Whether the operator takes samples that lie so, `extents` of them for each sample; then several at once
// give the bits of one by one.
bool keeps_apart(const Subject& subject, const Problem& p, const SampleAxes& axes, const Ints& extents,
                 std::mt19937_64& random) {
  constexpr int64_t kSamples = 3;
  Ints open, joint;
  for (const int64_t extent : extents) open.push_back(-extent), joint.push_back(kSamples * extent);
  std::vector<TensorType> types;
  for (const Shape& shape : with_extents(p, axes, open)) types.push_back({DType::kF32, shape, {}});
  std::vector<Shape> free;
  try {
    free = p.op->infer(p.attrs, types);
    check_samples(*p.op, p.attrs, types, free);
  } catch (const Error&) {
    return false;
  }
  Problem all = float_problem(subject, with_extents(p, axes, joint), random);
  const std::vector<TensorType> outs = all.outs();
  std::vector<Shape> one = free;
  for (size_t i = 0; i < free.size(); ++i) {
    Shape several = free[i];
    const int axis = free_axis(several);
    one[i][axis] *= -1;
    several[axis] *= -kSamples;
    EXPECT_EQ(to_string(outs[i].shape), to_string(several));
  }
  std::vector<Problem> forms;
  if (!mixes_types(*all.op)) forms.push_back(all);
  if (const std::optional<Pair> pair = quantized_pair(all)) forms.push_back(pair->integer);
  for (const Problem& form : forms) {
    const std::vector<std::vector<uint8_t>> got = run_all(form, *kernels_up_to(""));
    const std::vector<TensorType> made = form.outs();
    for (int64_t i = 0; i < kSamples; ++i) {
      std::vector<std::vector<uint8_t>> alone =
          run_all(one_of(form, axes, one, i, kSamples), *kernels_up_to(""));
      for (size_t o = 0; o < got.size(); ++o) {
        alone[o].resize(alone[o].size() - kGuard);
        EXPECT_EQ(part_of(got[o].data(), made[o], *form.op, free_axis(free[o]), i, kSamples), alone[o])
            << "sample " << i << ", output " << o;
      }
    }
  }
  return true;
}

// Over all choices of where the samples lie; returns how many the operator takes.
int try_choices_of_axes(const Subject& subject, const Problem& problem, std::mt19937_64& random) {
  int taken = 0;
  for (const SampleAxes& axes : choices_of_axes(problem)) {
    Ints ones(axes.size(), 1), extents;
    for (size_t i = 0; i < axes.size(); ++i)
      extents.push_back(axes[i] == kNone ? 1 : problem.in[i].type.shape[axes[i]]);
    for (const Ints& of_one : {ones, extents}) {
      SCOPED_TRACE(testing::PrintToString(axes) + " " + testing::PrintToString(of_one));
      taken += keeps_apart(subject, problem, axes, of_one, random);
    }
  }
  return taken;
}

class OpSamples : public Op {};

TEST_P(OpSamples, GivesSeveralSamplesAtOnceTheBitsOfOneByOneWhereverItTakesThem) {
  try_choices_of_axes(GetParam(), problem, random);
}

TEST(Samples, AreNotTrustedToAnOperatorThatDoesNotSpeakOfThem) {
  OpDef silent = *find_op("relu");
  silent.samples = nullptr;
  const TensorType in{DType::kF32, {kFree, 3}, {}};
  EXPECT_THROW(check_samples(silent, {}, {&in, 1}, {&in.shape, 1}), Error);
  EXPECT_NO_THROW(check_samples(*find_op("relu"), {}, {&in, 1}, {&in.shape, 1}));
}

TEST(Samples, MustBeOneAxisOfEveryOutput) {
  const TensorType in{DType::kF32, {kFree, 3}, {}};
  const Shape twice = {kFree, kFree, 3}, none = {3};
  EXPECT_THROW(check_samples(*find_op("relu"), {}, {&in, 1}, {&twice, 1}), Error);
  EXPECT_THROW(check_samples(*find_op("relu"), {}, {&in, 1}, {&none, 1}), Error);
}

INSTANTIATE_TEST_SUITE_P(Cases, OpSamples, testing::ValuesIn(subjects([](const OpDef&) { return true; })),
                         subject_name);

class OpWithSamples : public testing::TestWithParam<const OpDef*> {};

TEST_P(OpWithSamples, TakesThemInSomeOfItsCases) {
  std::mt19937_64 random;
  int taken = 0;
  for (size_t i = 0; i < GetParam()->cases.size(); ++i) {
    const Subject subject{GetParam(), i};
    taken += try_choices_of_axes(subject, float_problem(subject, input_shapes(subject), random), random);
  }
  EXPECT_GT(taken, 0);
}

INSTANTIATE_TEST_SUITE_P(Ops, OpWithSamples, testing::ValuesIn(ops().begin(), ops().end()),
                         [](const auto& subject) { return std::string(subject.param->name); });

}  // namespace
}  // namespace q
