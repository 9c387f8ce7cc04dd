// Every operator against its own promises, for all of its cases; and the quantized rules on numbers that can
// be checked by hand.
#include "q/op.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/dispatch.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/quant.h"
#include "seed.h"

namespace q {
namespace {

constexpr size_t kGuard = 64;  // bytes behind an output that must stay as they are

// An operator with its operands, ready to be compiled.
struct Problem {
  const OpDef* op = nullptr;
  Attrs attrs{};
  std::vector<Tensor> in{};
  int constants_from = kMaxInputs;
  TensorType out{};

  std::vector<TensorType> types() const {
    std::vector<TensorType> types;
    for (const Tensor& tensor : in) types.push_back(tensor.type);
    return types;
  }
};

bool mixes_types(const OpDef& op) { return op.f32 == nullptr && op.unary == nullptr; }

Run compile(const Problem& p, const Kernels& kernels) {
  const std::vector<TensorType> types = p.types();
  std::vector<View> constants(types.size());
  for (size_t i = static_cast<size_t>(p.constants_from); i < types.size(); ++i) constants[i] = p.in[i].view();
  const CompileCall call{p.attrs, types, {&p.out, 1}, constants, kernels};
  if (mixes_types(*p.op) || (p.out.dtype == DType::kU8 && p.op->quant != nullptr)) return p.op->quant(call);
  if (p.out.dtype == DType::kU8) return compile_table(*p.op, call);
  return p.op->f32 != nullptr ? p.op->f32(call) : compile_unary_f32(*p.op, call);
}

// The output's bytes, and the guard behind them, over memory full of `background`.
std::vector<uint8_t> run(const Problem& p, const Kernels& kernels, uint8_t background = 0xA5) {
  const Run compiled = compile(p, kernels);
  std::vector<View> in;
  for (const Tensor& tensor : p.in) in.push_back(tensor.view());
  std::vector<uint8_t> out(bytes(p.out.dtype, p.out.shape) + kGuard, background);
  const MutableView view{p.out.dtype, p.out.shape, reinterpret_cast<std::byte*>(out.data()),
                         p.out.qparams ? &*p.out.qparams : nullptr};
  compiled({in, {&view, 1}});
  return out;
}

const Kernels& generic() { return *kernels_up_to("generic"); }

std::vector<float> as_floats(const std::vector<uint8_t>& data) {
  std::vector<float> out((data.size() - kGuard) / sizeof(float));
  std::memcpy(out.data(), data.data(), out.size() * sizeof(float));
  return out;
}

// ---- problems from the cases of the operators ----

struct Subject {
  const OpDef* op;
  size_t index;
  const Case& test_case() const { return op->cases[index]; }
};

// The cases of all operators that `wanted` is true of.
std::vector<Subject> subjects(bool (*wanted)(const OpDef&)) {
  std::vector<Subject> out;
  for (const OpDef* op : ops())
    for (size_t i = 0; wanted(*op) && i < op->cases.size(); ++i) out.push_back({op, i});
  return out;
}

std::string subject_name(const testing::TestParamInfo<Subject>& info) {
  return text(info.param.op->name, "_", info.param.index);
}

// Elementwise operators get operands of one rank.
Shape unsqueezed(const Shape& shape, int rank) {
  Shape out;
  for (int axis = shape.rank; axis < rank; ++axis) out[out.rank++] = 1;
  for (const int64_t extent : shape.extents()) out[out.rank++] = extent;
  return out;
}

std::vector<Shape> input_shapes(const Subject& subject) {
  const std::span<const Shape> given = subject.test_case().inputs;
  std::vector<Shape> out(given.begin(), given.end());
  int rank = 0;
  for (const Shape& shape : out) rank = std::max(rank, shape.rank);
  if (subject.op->layout == Layout::kAny)
    for (Shape& shape : out) shape = unsqueezed(shape, rank);
  return out;
}

Problem float_problem(const Subject& subject, const std::vector<Shape>& shapes, std::mt19937_64& random) {
  const Case& test_case = subject.test_case();
  Problem p{.op = subject.op,
            .attrs = parse_attrs(*subject.op, test_case.attrs),
            .constants_from = test_case.constants_from};
  std::uniform_real_distribution<float> draw(test_case.lo, test_case.hi);
  for (const Shape& shape : shapes) {
    const bool is_parameter = std::ssize(p.in) >= p.op->parameters_from;
    Tensor tensor = make_tensor(DType::kF32, shape);
    for (int64_t i = 0; i < elements(shape); ++i) {
      const float value = draw(random);
      tensor.as<float>()[i] = is_parameter ? std::abs(value) + 0.5f : value;  // some are variances
    }
    p.in.push_back(tensor);
  }
  p.constants_from = std::min(p.constants_from, static_cast<int>(p.in.size()));
  p.out = {DType::kF32, p.op->infer(p.attrs, p.types()).at(0), {}};
  return p;
}

Range range_of(const float* values, int64_t count) {
  const auto [lo, hi] = std::minmax_element(values, values + count);
  return {*lo, *hi};
}

QParams activation_qparams(const std::vector<float>& values) {
  const Range range = range_of(values.data(), std::ssize(values));
  return choose_qparams({}, {&range, 1}, "test");
}

Tensor quantized_activation(const Tensor& x) {
  const Range range = range_of(x.as<float>(), elements(x.type.shape));
  return quantize(x.view(), DType::kU8, choose_qparams({}, {&range, 1}, "test"));
}

Tensor quantized_weight(const Tensor& weight, int axis) {
  EXPECT_EQ(axis, 0);
  const int64_t channels = weight.type.shape[0], per_channel = elements(weight.type.shape) / channels;
  std::vector<Range> ranges;
  for (int64_t c = 0; c < channels; ++c)
    ranges.push_back(range_of(weight.as<float>() + c * per_channel, per_channel));
  const QuantSpec spec{DType::kI8, QScheme::kPerChannelSymmetric, axis, -127, 127};
  return quantize(weight.view(), DType::kI8, choose_qparams(spec, ranges, "test"));
}

// The operands as integers: activations u8, weights i8, bias i32, parameters as they are.
std::vector<Tensor> quantized_operands(const Problem& p) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < p.in.size(); ++i) {
    const int index = static_cast<int>(i);
    if (index == p.op->weight) {
      out.push_back(quantized_weight(p.in[i], p.op->weight_axis));
    } else if (index == p.op->bias) {
      int64_t saturated = 0;
      out.push_back(quantize_bias(p.in[i].view(), out[0].type.qparams->scales[0],
                                  *out[static_cast<size_t>(p.op->weight)].type.qparams, &saturated));
    } else {
      out.push_back(index >= p.op->parameters_from ? p.in[i] : quantized_activation(p.in[i]));
    }
  }
  return out;
}

QParams fixed_qparams(const OpDef& op) {
  const double scale = (static_cast<double>(op.fixed_hi) - op.fixed_lo) / 256;
  return {QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {static_cast<int32_t>(-op.fixed_lo / scale)}};
}

// An integer form with the float result it must come near to.
struct Pair {
  Problem integer;
  std::vector<float> real;
};

// Nothing when the operator has no integer form.
std::optional<Pair> quantized_pair(const Problem& p) {
  if (p.op->name == "quantize") {
    Pair pair{p, {p.in[0].as<float>(), p.in[0].as<float>() + elements(p.out.shape)}};
    pair.integer.out = {DType::kU8, p.out.shape, activation_qparams(pair.real)};
    return pair;
  }
  if (p.op->name == "cast")
    return Pair{p, {p.in[0].as<float>(), p.in[0].as<float>() + elements(p.out.shape)}};
  if (!has_integer_form(*p.op)) return {};
  Pair pair{p, {}};
  pair.integer.in = quantized_operands(p);
  Problem dequantized = p;  // so that rounding the operands does not count
  for (size_t i = 0; i < p.in.size(); ++i)
    if (pair.integer.in[i].type.qparams) dequantized.in[i] = dequantize(pair.integer.in[i].view());
  if (p.op->name == "dequantize") {
    pair.real.assign(dequantized.in[0].as<float>(), dequantized.in[0].as<float>() + elements(p.out.shape));
    return pair;
  }
  pair.real = as_floats(run(dequantized, generic()));
  pair.integer.out.dtype = DType::kU8;
  switch (p.op->qrule) {
    case QRule::kAsInput:
      pair.integer.out.qparams = pair.integer.in[0].type.qparams;
      break;
    case QRule::kFixed:
      pair.integer.out.qparams = fixed_qparams(*p.op);
      break;
    default:
      pair.integer.out.qparams = activation_qparams(pair.real);
  }
  return pair;
}

class Op : public testing::TestWithParam<Subject> {
 protected:
  // All forms the operator has.
  std::vector<Problem> forms() {
    std::vector<Problem> out;
    if (!mixes_types(*problem.op)) out.push_back(problem);
    if (const std::optional<Pair> pair = quantized_pair(problem)) out.push_back(pair->integer);
    return out;
  }

  uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  std::mt19937_64 random{seed};
  Problem problem = float_problem(GetParam(), input_shapes(GetParam()), random);
};

TEST_P(Op, WritesEveryByteOfTheInferredShapeAndNoneBehindIt) {
  for (const Problem& form : forms()) {
    const std::vector<uint8_t> a = run(form, generic(), 0xA5), b = run(form, generic(), 0x5A);
    const auto end = static_cast<std::ptrdiff_t>(a.size() - kGuard);
    ASSERT_GT(end, 0);
    EXPECT_TRUE(std::equal(a.begin(), a.begin() + end, b.begin())) << "bytes left as they were";
    EXPECT_TRUE(std::all_of(a.begin() + end, a.end(), [](uint8_t byte) { return byte == 0xA5; })) << "guard";
  }
}

TEST_P(Op, GivesTheSameBitsOnEveryRowOfKernels) {
  for (const Problem& form : forms()) {
    const std::vector<uint8_t> wanted = run(form, generic());
    for (const Isa* isa : isas()) {
      if (!supported(*isa)) continue;
      EXPECT_EQ(wanted, run(form, *kernels_up_to(isa->name))) << isa->name;
    }
  }
}

TEST_P(Op, GivesTheSameBitsForEveryNumberOfThreads) {
  for (const Problem& form : forms()) {
    set_thread_count(1);
    const std::vector<uint8_t> wanted = run(form, *kernels_up_to(""));
    for (const int threads : {2, 3, 5}) {
      set_thread_count(threads);
      EXPECT_EQ(wanted, run(form, *kernels_up_to(""))) << threads;
    }
    set_thread_count(0);
  }
}

class QuantizedOp : public Op {};

TEST_P(QuantizedOp, IsTheFloatResultRoundedOnce) {
  const std::optional<Pair> pair = quantized_pair(problem);
  ASSERT_TRUE(pair);
  const std::vector<uint8_t> got = run(pair->integer, *kernels_up_to(""));
  if (pair->integer.out.dtype == DType::kF32) {
    EXPECT_EQ(as_floats(got), pair->real);
    return;
  }
  const QParams& out = *pair->integer.out.qparams;
  const float scale = static_cast<float>(out.scales[0]);
  const auto real = [&](int32_t q) { return dequantize_value(q, scale, out.zero_points[0]); };
  // Half a step, and what roundings to binary32 (2^-24 each) can add to it: sums of `terms` products, or a
  // few operations on numbers of some hundred steps.
  double terms = 0, greatest = 1024 * scale;
  if (problem.op->weight != kNone) {
    const Tensor& weight = problem.in[static_cast<size_t>(problem.op->weight)];
    terms = static_cast<double>(elements(weight.type.shape)) / static_cast<double>(weight.type.shape[0]);
    greatest = std::max(greatest, terms * std::pow(std::max(std::abs(GetParam().test_case().lo),
                                                            std::abs(GetParam().test_case().hi)),
                                                   2));
  }
  const double bound = scale / 2 + (terms + 16) * 0x1p-24 * greatest;
  for (size_t i = 0; i < pair->real.size(); ++i) {
    const float wanted = std::clamp(pair->real[i], real(out.quant_min), real(out.quant_max));
    ASSERT_NEAR(real(got[i]), wanted, bound) << "element " << i;
  }
}

TEST_P(QuantizedOp, KeepsToNarrowerLimitsOfTheIntegers) {
  std::optional<Pair> pair = quantized_pair(problem);
  ASSERT_TRUE(pair);
  if (problem.op->qrule == QRule::kAsInput || pair->integer.out.dtype != DType::kU8)
    return;  // they are the input's
  QParams& out = *pair->integer.out.qparams;
  out.quant_min = std::max(0, out.zero_points[0] - 3);
  out.quant_max = std::min(255, out.zero_points[0] + 2);
  const std::vector<uint8_t> got = run(pair->integer, *kernels_up_to(""));
  for (size_t i = 0; i + kGuard < got.size(); ++i) {
    ASSERT_GE(got[i], out.quant_min);
    ASSERT_LE(got[i], out.quant_max);
  }
}

// ---- samples ----

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
Problem one_of(const Problem& all, const SampleAxes& axes, const Shape& out, int64_t index, int64_t samples) {
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
  one.out.shape = out;
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
  const int axis = free_axis(free[0]);
  Shape one = free[0], several = free[0];
  one[axis] *= -1;
  several[axis] *= -kSamples;
  Problem all = float_problem(subject, with_extents(p, axes, joint), random);
  EXPECT_EQ(to_string(all.out.shape), to_string(several));
  std::vector<Problem> forms;
  if (!mixes_types(*all.op)) forms.push_back(all);
  if (const std::optional<Pair> pair = quantized_pair(all)) forms.push_back(pair->integer);
  for (const Problem& form : forms) {
    const std::vector<uint8_t> got = run(form, *kernels_up_to(""));
    for (int64_t i = 0; i < kSamples; ++i) {
      std::vector<uint8_t> alone = run(one_of(form, axes, one, i, kSamples), *kernels_up_to(""));
      alone.resize(alone.size() - kGuard);
      EXPECT_EQ(part_of(got.data(), form.out, *form.op, axis, i, kSamples), alone) << "sample " << i;
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

TEST_P(Op, GivesSeveralSamplesAtOnceTheBitsOfOneByOneWhereverItTakesThem) {
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

class ElementwiseOp : public Op {};

TEST_P(ElementwiseOp, IsItsFunctionOfEveryElement) {
  const OpDef& op = *problem.op;
  const std::vector<float> got = as_floats(run(problem, *kernels_up_to("")));
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], op.unary(problem.attrs, problem.in[0].as<float>()[i]));
}

INSTANTIATE_TEST_SUITE_P(Cases, Op, testing::ValuesIn(subjects([](const OpDef&) { return true; })),
                         subject_name);
INSTANTIATE_TEST_SUITE_P(Cases, QuantizedOp, testing::ValuesIn(subjects(has_integer_form)), subject_name);
INSTANTIATE_TEST_SUITE_P(Cases, ElementwiseOp,
                         testing::ValuesIn(subjects([](const OpDef& op) { return op.unary != nullptr; })),
                         subject_name);

// ---- the tables themselves ----

class OpTable : public testing::TestWithParam<const OpDef*> {};

TEST_P(OpTable, SaysWhatTheOperatorIs) {
  const OpDef& op = *GetParam();
  EXPECT_FALSE(op.doc.empty());
  EXPECT_FALSE(op.cases.empty());
  EXPECT_NE(op.infer, nullptr);
  EXPECT_LE(op.inputs_min, op.inputs_max);
  EXPECT_TRUE(std::filesystem::exists(text(Q_SOURCE_DIR, "/libq/ops/", op.name, ".cc")));
  EXPECT_EQ(find_op(op.name), &op);
  EXPECT_EQ(op.qrule == QRule::kFixed, op.fixed_lo < op.fixed_hi);
  for (const AttrSpec& spec : op.attrs) EXPECT_FALSE(spec.doc.empty()) << spec.name;
  for (const OnnxName& name : op.onnx) EXPECT_GE(name.since, 7) << name.type;
}

TEST_P(OpTable, TakesSamplesInSomeOfItsCases) {
  std::mt19937_64 random;
  int taken = 0;
  for (size_t i = 0; i < GetParam()->cases.size(); ++i) {
    const Subject subject{GetParam(), i};
    taken += try_choices_of_axes(subject, float_problem(subject, input_shapes(subject), random), random);
  }
  EXPECT_GT(taken, 0);
}

TEST_P(OpTable, RefusesAnAttributeItDoesNotHave) {
  EXPECT_THROW(parse_attrs(*GetParam(), "no_such_attribute=1"), Error);
}

TEST_P(OpTable, RefusesAttributesOfAnotherType) {
  for (const AttrSpec& spec : GetParam()->attrs) {
    Attrs attrs = parse_attrs(*GetParam(), GetParam()->cases[0].attrs);
    const bool is_string = spec.kind == AttrKind::kString;
    attrs.insert_or_assign(std::string(spec.name), is_string ? Attr(int64_t{1}) : Attr(std::string("1")));
    EXPECT_THROW(complete_attrs(*GetParam(), attrs), Error) << spec.name;
  }
}

TEST_P(OpTable, RefusesToGoWithoutAnAttributeThatHasNoDefault) {
  const bool needs_one = std::any_of(GetParam()->attrs.begin(), GetParam()->attrs.end(),
                                     [](const AttrSpec& spec) { return spec.fallback.empty(); });
  if (needs_one) {
    EXPECT_THROW(complete_attrs(*GetParam(), {}), Error);
  } else {
    EXPECT_NO_THROW(complete_attrs(*GetParam(), {}));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, OpTable, testing::ValuesIn(ops().begin(), ops().end()),
                         [](const auto& subject) { return std::string(subject.param->name); });

// ---- numbers checked by hand ----

struct Integers {
  Shape shape;
  double scale;
  int32_t zero_point;
  std::vector<uint8_t> values{};

  TensorType type() const {
    return {DType::kU8, shape, QParams{QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {zero_point}}};
  }
};

std::vector<uint8_t> quantized(std::string_view name, std::string_view attrs, const std::vector<Integers>& in,
                               double scale, int32_t zero_point) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  for (const Integers& integers : in) {
    p.in.push_back(make_tensor(integers.type()));
    std::copy(integers.values.begin(), integers.values.end(), p.in.back().as<uint8_t>());
  }
  p.constants_from = static_cast<int>(p.in.size());
  p.out = Integers{p.op->infer(p.attrs, p.types()).at(0), scale, zero_point}.type();
  std::vector<uint8_t> out = run(p, generic());
  out.resize(out.size() - kGuard);
  return out;
}

struct Reals {
  Shape shape;
  std::vector<float> values;
};

std::vector<float> real(std::string_view name, std::string_view attrs, const std::vector<Reals>& in) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  for (const Reals& reals : in) p.in.push_back(make_tensor(reals.shape, reals.values));
  p.constants_from = std::min(1, static_cast<int>(p.in.size()));
  p.out = {DType::kF32, p.op->infer(p.attrs, p.types()).at(0), {}};
  return as_floats(run(p, generic()));
}

Shape inferred(std::string_view name, std::string_view attrs, const std::vector<Shape>& in) {
  const OpDef& op = *find_op(name);
  std::vector<TensorType> types;
  for (const Shape& shape : in) types.push_back({DType::kF32, shape, {}});
  const Attrs parsed = parse_attrs(op, attrs);
  const std::vector<Shape> out = op.infer(parsed, types);
  check_samples(op, parsed, types, out);
  return out.at(0);
}

using U8 = std::vector<uint8_t>;
using F32 = std::vector<float>;

TEST(QuantizedAdd, RoundsTheSumOfTheRealsToEven) {
  // 1 + 0.75 is 3.5 steps of 0.5, 0 + 0.25 half a step, -5 + 0 ten steps below
  const Integers a{{3}, 0.5, 10, {12, 10, 0}}, b{{3}, 0.25, 0, {3, 1, 0}};
  EXPECT_EQ(quantized("add", "", {a, b}, 0.5, 3), (U8{7, 3, 0}));
  EXPECT_EQ(quantized("add", "", {a, b}, 0.5, 13), (U8{17, 13, 3}));
}

TEST(QuantizedAdd, ClampsToTheLevelsOfItsLimits) {
  const Integers a{{3}, 0.5, 10, {12, 10, 0}}, b{{3}, 0.25, 0, {3, 1, 0}};
  EXPECT_EQ(quantized("add", "min=0;max=1", {a, b}, 0.5, 13), (U8{15, 13, 13}));
}

TEST(QuantizedAdd, TakesOneValueTwiceAndBroadcasts) {
  const Integers a{{2, 2}, 1, 0, {1, 2, 3, 4}}, row{{1, 2}, 1, 0, {10, 20}}, column{{2, 1}, 1, 0, {10, 20}};
  EXPECT_EQ(quantized("add", "", {a, a}, 1, 0), (U8{2, 4, 6, 8}));
  EXPECT_EQ(quantized("add", "", {a, row}, 1, 0), (U8{11, 22, 13, 24}));
  EXPECT_EQ(quantized("add", "", {column, a}, 1, 0), (U8{11, 12, 23, 24}));
}

TEST(QuantizedMul, RequantizesTheProductOfTheCentredIntegers) {
  // (12 - 10) * (3 - 1) * (0.5 * 0.25 / 0.5) = 1, and 5 * 2 * 0.25 = 2.5, to even; -10 * 4 * 0.25 = -10
  const Integers a{{3}, 0.5, 10, {12, 15, 0}}, b{{3}, 0.25, 1, {3, 3, 5}};
  EXPECT_EQ(quantized("mul", "", {a, b}, 0.5, 100), (U8{101, 102, 90}));
  EXPECT_EQ(quantized("mul", "min=0", {a, b}, 0.5, 100), (U8{101, 102, 100}));
}

TEST(QuantizedSub, RoundsTheDifferenceOfTheRealsToEven) {
  // 1 - 0.75 is half a step of 0.5, 0 + 1.25 is 2.5, -5 - 0.25 ten and a half below
  const Integers a{{3}, 0.5, 10, {12, 10, 0}}, b{{3}, 0.25, 5, {8, 0, 6}};
  EXPECT_EQ(quantized("sub", "", {a, b}, 0.5, 20), (U8{20, 22, 10}));
  EXPECT_EQ(quantized("sub", "min=0;max=1", {a, b}, 0.5, 20), (U8{20, 22, 20}));
  EXPECT_EQ(quantized("sub", "", {{{1}, 1, 0, {1}}, a}, 0.5, 3), (U8{3, 5, 15}));
}

TEST(QuantizedDiv, RoundsTheQuotientOfTheRealsToEven) {
  // 1 / 2, 5 / 2, -3 / 2, and 3 / -2
  const Integers a{{4}, 0.5, 10, {12, 20, 4, 16}}, b{{4}, 0.25, 8, {16, 16, 16, 0}};
  EXPECT_EQ(quantized("div", "", {a, b}, 1, 100), (U8{100, 102, 98, 98}));
  EXPECT_EQ(quantized("div", "min=-1;max=2", {a, b}, 0.5, 100), (U8{101, 104, 98, 98}));
}

TEST(QuantizedDiv, ByZeroGoesToALimitOrNowhere) {
  const Integers a{{3}, 1, 10, {12, 10, 4}};
  Problem p{.op = find_op("div")};
  p.attrs = parse_attrs(*p.op, "");
  const Integers zero{{3}, 1, 7, {7, 7, 7}};
  p.in = {make_tensor(a.type()), make_tensor(zero.type())};
  std::ranges::copy(a.values, p.in[0].as<uint8_t>());
  std::ranges::copy(zero.values, p.in[1].as<uint8_t>());
  p.out = Integers{{3}, 1, 99}.type();
  U8 out = run(p, *kernels_up_to(""));
  out.resize(3);
  EXPECT_EQ(out, (U8{255, 99, 0}));
  p.constants_from = 1;
  EXPECT_THROW(compile(p, generic()), Error);
}

TEST(QuantizedCat, CopiesIntegersOfTheSameScaleAndRoundsOthers) {
  const Integers same{{1, 2}, 0.5, 10, {0, 255}}, other{{1, 3}, 0.25, 0, {0, 3, 5}};
  // 0.75 is 1.5 steps and 1.25 is 2.5: both to 2
  EXPECT_EQ(quantized("cat", "axis=1", {same, other}, 0.5, 10), (U8{0, 255, 10, 12, 12}));
}

TEST(QuantizedClamp, RoundsTheLimitsAsValues) {
  const Integers x{{4}, 0.5, 10, {0, 9, 12, 255}};
  EXPECT_EQ(quantized("clamp", "min=-1;max=1.25", {x}, 0.5, 10), (U8{8, 9, 12, 12}));
}

TEST(QuantizedRelu, MayHaveAnotherScaleThanItsInput) {
  const Integers x{{3}, 0.5, 10, {4, 12, 14}};
  EXPECT_EQ(quantized("relu", "", {x}, 0.25, 0), (U8{0, 4, 8}));
}

TEST(QuantizedSigmoid, IsAHalfAtZero) {
  EXPECT_EQ(quantized("sigmoid", "", {{{2}, 1, 100, {100, 255}}}, 1.0 / 256, 0), (U8{128, 255}));
  EXPECT_EQ(quantized("tanh", "", {{{3}, 1, 100, {0, 100, 255}}}, 2.0 / 256, 128), (U8{0, 128, 255}));
}

TEST(QuantizedSoftmax, DividesEvenlyBetweenEquals) {
  const Integers x{{2, 4}, 0.1, 7, {7, 7, 7, 7, 255, 0, 0, 0}};
  EXPECT_EQ(quantized("softmax", "", {x}, 1.0 / 256, 0), (U8{64, 64, 64, 64, 255, 0, 0, 0}));
}

TEST(QuantizedSoftmax, IsOverAllAxesFromOneOn) {
  const Integers x{{2, 2, 2}, 0.1, 7, {7, 7, 7, 7, 255, 0, 0, 0}};
  EXPECT_EQ(quantized("flat_softmax", "", {x}, 1.0 / 256, 0), (U8{64, 64, 64, 64, 255, 0, 0, 0}));
  EXPECT_EQ(quantized("flat_softmax", "axis=2", {x}, 1.0 / 256, 0),
            (U8{128, 128, 128, 128, 255, 0, 128, 128}));
}

TEST(QuantizedAveragePool, RoundsTheCentredSumToEven) {
  // windows {1, 2}: 1.5 to 2; {4, 5} about zero point 3: 1.5 to 2, and 5 in all
  EXPECT_EQ(quantized("avg_pool", "kernel_shape=2", {{{1, 1, 2}, 1, 0, {1, 2}}}, 1, 0), (U8{2}));
  EXPECT_EQ(quantized("avg_pool", "kernel_shape=2", {{{1, 1, 2}, 1, 3, {4, 5}}}, 1, 3), (U8{5}));
}

TEST(QuantizedAveragePool, CountsPaddingAsZerosOnlyWhenTold) {
  const Integers x{{1, 1, 2}, 1, 10, {20, 30}};
  EXPECT_EQ(quantized("avg_pool", "kernel_shape=2;strides=2;pads=1,1", {x}, 1, 10), (U8{20, 30}));
  EXPECT_EQ(quantized("avg_pool", "kernel_shape=2;strides=2;pads=1,1;count_include_pad=1", {x}, 1, 10),
            (U8{15, 20}));
}

TEST(QuantizedBatchNorm, HasOneLinePerChannel) {
  // r = 1, so alpha = scale * 0.5 / 0.25 and beta = (bias - mean * scale) / 0.25
  Problem p{.op = find_op("batch_norm")};
  p.attrs = parse_attrs(*p.op, "epsilon=0.5;max=2");
  p.in = {make_tensor(Integers{{2, 2}, 0.5, 10, {}}.type()), make_tensor(Shape{2}, F32{1, 2}),
          make_tensor(Shape{2}, F32{0, 1}), make_tensor(Shape{2}, F32{1, 0}),
          make_tensor(Shape{2}, F32{0.5f, 0.5f})};
  const U8 x = {10, 10, 12, 20};  // 0, 0, 1, 5
  std::copy(x.begin(), x.end(), p.in[0].as<uint8_t>());
  p.constants_from = 1;
  p.out = Integers{{2, 2}, 0.25, 100}.type();
  U8 out = run(p, generic());
  out.resize(4);
  EXPECT_EQ(out, (U8{96, 104, 100, 108}));  // -1, 1, 0, and 11 clamped to 2
}

TEST(AveragePool, DividesByWhatLiesUnderTheWindow) {
  const Reals x{{1, 1, 3}, {1, 2, 6}};
  EXPECT_EQ(real("avg_pool", "kernel_shape=2;strides=2;ceil_mode=1", {x}), (F32{1.5f, 6}));
  EXPECT_EQ(real("avg_pool", "kernel_shape=2;strides=2;pads=1,0;count_include_pad=1", {x}), (F32{0.5f, 4}));
}

TEST(AveragePool, DoesNotCountWhatLiesBeyondThePadding) {
  // torch: the last window of ceil_mode is clipped to the padded extent
  EXPECT_EQ(real("avg_pool", "kernel_shape=3;strides=2;pads=1,1;ceil_mode=1;count_include_pad=1",
                 {{{1, 1, 4}, {3, 3, 3, 6}}}),
            (F32{2, 4, 3}));
}

TEST(MaxPool, TakesNothingFromThePadding) {
  EXPECT_EQ(real("max_pool", "kernel_shape=3;strides=2;pads=1,1", {{{1, 1, 3}, {-3, -5, -4}}}),
            (F32{-3, -4}));
  EXPECT_EQ(
      quantized("max_pool", "kernel_shape=3;strides=2;pads=1,1", {{{1, 1, 3}, 1, 200, {3, 1, 2}}}, 1, 200),
      (U8{3, 2}));
}

TEST(MaxPool, RefusesAWindowThatLiesInThePaddingAlone) {
  EXPECT_THROW(inferred("max_pool", "kernel_shape=2;pads=2,0", {{1, 1, 4}}), Error);
  EXPECT_THROW(inferred("max_pool", "kernel_shape=2;pads=0,2", {{1, 1, 4}}), Error);
  EXPECT_THROW(inferred("max_pool", "kernel_shape=2;dilations=2;pads=1,1", {{1, 1, 1}}), Error);
  EXPECT_EQ(inferred("max_pool", "kernel_shape=2;dilations=2;pads=1,1", {{1, 1, 3}}), (Shape{1, 1, 3}));
}

TEST(AdaptiveAveragePool, LetsWindowsOverlapWhereTheyMust) {
  EXPECT_EQ(real("adaptive_avg_pool", "output_size=2", {{{1, 1, 3}, {1, 3, 7}}}), (F32{2, 5}));
  EXPECT_EQ(real("adaptive_avg_pool", "output_size=3", {{{1, 1, 2}, {1, 3}}}), (F32{1, 2, 3}));
}

TEST(AdaptiveAveragePool, LeavesTheSpatialAxesOut) {
  // [2, 2, 1, 2] channels-last: the channels of a pixel lie side by side
  const Reals x{{2, 2, 1, 2}, {1, 10, 3, 30, 5, 50, 7, 70}};
  EXPECT_EQ(real("adaptive_avg_pool", "output_size=1,1;keepdims=0", {x}), (F32{2, 20, 6, 60}));
  const Integers q{{1, 2, 1, 2}, 1, 3, {4, 10, 5, 11}};  // 1.5 to 2, 7.5 to 8
  EXPECT_EQ(quantized("adaptive_avg_pool", "output_size=1,1;keepdims=0", {q}, 1, 3), (U8{5, 11}));
  EXPECT_EQ(inferred("adaptive_avg_pool", "output_size=1,1;keepdims=0", {{kFree, 8, 5, 7}}),
            (Shape{kFree, 8}));
  EXPECT_THROW(inferred("adaptive_avg_pool", "output_size=2,1;keepdims=0", {{kFree, 8, 5, 7}}), Error);
  EXPECT_THROW(inferred("adaptive_avg_pool", "output_size=1,1;keepdims=2", {{kFree, 8, 5, 7}}), Error);
}

TEST(Sub, ClampsAndBroadcasts) {
  EXPECT_EQ(real("sub", "min=0", {{{}, {1}}, {{3}, {0.25f, 1, 3}}}), (F32{0.75f, 0, 0}));
}

TEST(Div, IsTheNearestQuotient) {
  EXPECT_EQ(real("div", "", {{{4}, {1, 2, -1, 7}}, {{}, {3}}}), (F32{1.f / 3, 2.f / 3, -1.f / 3, 7.f / 3}));
  const F32 by_zero = real("div", "max=9", {{{3}, {1, -1, 0}}, {{3}, {0, 0, 0}}});
  EXPECT_EQ(by_zero[0], 9);
  EXPECT_EQ(by_zero[1], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(by_zero[2]));
}

TEST(BatchNorm, ScalesAndClampsPerChannel) {
  const std::vector<Reals> in = {
      {{2, 2}, {0, 0, 1, 5}}, {{2}, {1, 2}}, {{2}, {0, 1}}, {{2}, {1, 0}}, {{2}, {0.5f, 0.5f}}};
  EXPECT_EQ(real("batch_norm", "epsilon=0.5", in), (F32{-1, 1, 0, 11}));
  EXPECT_EQ(real("batch_norm", "epsilon=0.5;min=0;max=6", in), (F32{0, 1, 0, 6}));
}

TEST(Softmax, IsNotANumberWhereOneElementIsNot) {
  const F32 out = real("softmax", "", {{{2, 2}, {0, std::numeric_limits<float>::quiet_NaN(), 0, 0}}});
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
  EXPECT_EQ(out[2], 0.5f);
}

TEST(Pad, MirrorsWithoutTheEdgeOrRepeatsIt) {
  const Reals x{{1, 3}, {1, 2, 3}};
  EXPECT_EQ(real("pad", "pads=0,2,0,1;mode=reflect", {x}), (F32{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(real("pad", "pads=0,2,0,1;mode=edge", {x}), (F32{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(real("pad", "pads=0,-1,1,1;value=9", {x}), (F32{2, 3, 9, 9, 9, 9}));
  EXPECT_EQ(quantized("pad", "pads=1,1", {{{1}, 0.5, 10, {42}}}, 0.5, 10), (U8{10, 42, 10}));
  EXPECT_THROW(inferred("pad", "pads=0,3,0,0;mode=reflect", {{1, 3}}), Error);
}

TEST(Pad, LeavesChannelsLast) {
  // [1, 2, 1, 2] stored as two pixels of two channels
  EXPECT_EQ(real("pad", "pads=0,0,0,1,0,0,0,0", {{{1, 2, 1, 2}, {1, 10, 2, 20}}}), (F32{0, 0, 1, 10, 2, 20}));
  EXPECT_EQ(real("pad", "pads=0,1,0,0,0,0,0,0", {{{1, 2, 1, 2}, {1, 10, 2, 20}}}), (F32{0, 1, 10, 0, 2, 20}));
}

TEST(Transpose, MovesAxes) {
  EXPECT_EQ(real("transpose", "perm=1,0", {{{2, 3}, {1, 2, 3, 4, 5, 6}}}), (F32{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(real("transpose", "perm=2,0,1", {{{1, 2, 2}, {1, 2, 3, 4}}}), (F32{1, 3, 2, 4}));
  EXPECT_THROW(inferred("transpose", "perm=0,0", {{2, 3}}), Error);
}

TEST(Reshape, KeepsTheBatchFree) {
  const std::vector<Shape> image = {{kFree, 16, 4, 4}};
  EXPECT_EQ(inferred("reshape", "shape=0,256", image), (Shape{kFree, 256}));
  EXPECT_EQ(inferred("reshape", "shape=-1,256", image), (Shape{kFree, 256}));
  EXPECT_EQ(inferred("reshape", "shape=0,-1", image), (Shape{kFree, 256}));
  EXPECT_EQ(inferred("reshape", "shape=-1,16", image), (Shape{16 * kFree, 16}));  // sixteen rows per sample
  EXPECT_EQ(inferred("reshape", "shape=-1,16,4,4", {{16 * kFree, 16}}), (Shape{kFree, 16, 4, 4}));
  EXPECT_EQ(inferred("reshape", "shape=2,-1,3", {{2, kFree, 6}}), (Shape{2, 2 * kFree, 3}));
  EXPECT_EQ(inferred("reshape", "shape=4,-1", {{2, 6}}), (Shape{4, 3}));
}

TEST(Reshape, RefusesToMixTheSamplesOfABatch) {
  const std::vector<Shape> image = {{kFree, 16, 4, 4}};
  for (const char* shape :
       {"shape=1,256", "shape=16,-1", "shape=-1,255", "shape=0,255", "shape=0,-1,-1", "shape=-1,512"})
    EXPECT_THROW(inferred("reshape", shape, image), Error) << shape;
  EXPECT_THROW(inferred("reshape", "shape=-1,6", {{2, kFree, 6}}), Error);
  EXPECT_THROW(inferred("flatten", "axis=2", {{2, kFree, 6}}), Error);
  EXPECT_THROW(inferred("softmax", "axis=0", image), Error);
  EXPECT_THROW(inferred("flat_softmax", "axis=0", image), Error);
  EXPECT_THROW(inferred("flat_softmax", "axis=1", {{2, 3, kFree}}), Error);
  EXPECT_THROW(inferred("cat", "axis=0", {{kFree, 4}, {kFree, 4}}), Error);
}

TEST(Squeeze, LeavesOutAxesOfExtentOne) {
  EXPECT_EQ(inferred("squeeze", "axes=2,3", {{kFree, 5, 1, 1}}), (Shape{kFree, 5}));
  EXPECT_THROW(inferred("squeeze", "axes=0", {{kFree, 1}}), Error);
  EXPECT_EQ(inferred("unsqueeze", "axes=0,-1", {{4, 5}}), (Shape{1, 4, 5, 1}));
  EXPECT_THROW(inferred("unsqueeze", "axes=1,1", {{4, 5}}), Error);
}

TEST(Add, RefusesShapesThatDoNotBroadcast) {
  EXPECT_EQ(inferred("add", "", {{kFree, 3, 4, 4}, {3, 1, 1}}), (Shape{kFree, 3, 4, 4}));
  EXPECT_EQ(inferred("add", "", {{kFree, 3}, {1, 3}}), (Shape{kFree, 3}));
  EXPECT_THROW(inferred("add", "", {{2, 3}, {2, 4}}), Error);
  EXPECT_THROW(inferred("add", "", {{kFree, 3}, {2, 3}}), Error);
  EXPECT_THROW(inferred("add", "min=1;max=0", {{2, 3}, {2, 3}}), Error);
}

TEST(Move, RefusesAnOutputOfAnotherScale) {
  EXPECT_THROW(quantized("flatten", "", {{{1, 2}, 0.5, 10, {1, 2}}}, 0.25, 10), Error);
  EXPECT_THROW(quantized("max_pool", "kernel_shape=1", {{{1, 1, 2}, 0.5, 10, {1, 2}}}, 0.5, 11), Error);
}

TEST(Quantize, TakesIntegersOfAnotherScale) {
  EXPECT_EQ(quantized("quantize", "", {{{3}, 0.5, 10, {10, 11, 13}}}, 1, 0), (U8{0, 0, 2}));
}

}  // namespace
}  // namespace q
