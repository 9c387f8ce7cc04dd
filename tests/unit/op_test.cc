// Every operator against its own promises, for all of its cases.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/parallel.h"
#include "op_problem.h"

namespace q {
namespace {

using namespace op_problem;

TEST_P(Op, WritesEveryByteOfTheInferredShapeAndNoneBehindIt) {
  for (const Problem& form : forms()) {
    const std::vector<std::vector<uint8_t>> first = run_all(form, generic(), 0xA5),
                                            again = run_all(form, generic(), 0x5A);
    for (size_t i = 0; i < first.size(); ++i) {
      const std::vector<uint8_t>&a = first[i], &b = again[i];
      const auto end = static_cast<std::ptrdiff_t>(a.size() - kGuard);
      ASSERT_GT(end, 0);
      EXPECT_TRUE(std::equal(a.begin(), a.begin() + end, b.begin())) << "bytes left as they were";
      EXPECT_TRUE(std::all_of(a.begin() + end, a.end(), [](uint8_t byte) { return byte == 0xA5; }))
          << "guard";
    }
  }
}

TEST_P(Op, GivesTheSameBitsOnEveryRowOfKernels) {
  for (const Problem& form : forms()) {
    const std::vector<std::vector<uint8_t>> wanted = run_all(form, generic());
    for (const Isa* isa : isas()) {
      if (!supported(*isa)) continue;
      EXPECT_EQ(wanted, run_all(form, *kernels_up_to(isa->name))) << isa->name;
    }
  }
}

TEST_P(Op, GivesTheSameBitsForEveryNumberOfThreads) {
  for (const Problem& form : forms()) {
    set_thread_count(1);
    const std::vector<std::vector<uint8_t>> wanted = run_all(form, *kernels_up_to(""));
    for (const int threads : {2, 3, 5}) {
      set_thread_count(threads);
      EXPECT_EQ(wanted, run_all(form, *kernels_up_to(""))) << threads;
    }
    set_thread_count(0);
  }
}

class QuantizedOp : public Op {};

// One output of a problem against what it should be, rounded.
void expect_rounded(const Problem& problem, const Case& test_case, const TensorType& type,
                    const std::vector<uint8_t>& got, const std::vector<float>& wanted_reals) {
  if (type.dtype == DType::kF32) {
    EXPECT_EQ(as_floats(got), wanted_reals);
    return;
  }
  const QParams& out = *type.qparams;
  const float scale = static_cast<float>(out.scales[0]);
  const auto real = [&](int32_t q) { return dequantize_value(q, scale, out.zero_points[0]); };
  // Half a step, and what roundings to binary32 (2^-24 each) can add to it: sums of `terms` products, or a
  // few operations on numbers of some hundred steps.
  double terms = 0, greatest = 1024 * scale;
  if (problem.op->weight != kNone) {
    const Tensor& weight = problem.in[static_cast<size_t>(problem.op->weight)];
    terms = static_cast<double>(elements(weight.type.shape)) / static_cast<double>(weight.type.shape[0]);
    greatest =
        std::max(greatest, terms * std::pow(std::max(std::abs(test_case.lo), std::abs(test_case.hi)), 2));
  }
  const double bound = scale / 2 + (terms + 16) * 0x1p-24 * greatest;
  for (size_t i = 0; i < wanted_reals.size(); ++i) {
    const float wanted = std::clamp(wanted_reals[i], real(out.quant_min), real(out.quant_max));
    ASSERT_NEAR(real(got[i]), wanted, bound) << "element " << i;
  }
}

TEST_P(QuantizedOp, IsTheFloatResultRoundedOnce) {
  if (problem.op->weights > 1) return;  // it rounds between its products
  const std::optional<Pair> pair = quantized_pair(problem);
  ASSERT_TRUE(pair);
  const std::vector<std::vector<uint8_t>> got = run_all(pair->integer, *kernels_up_to(""));
  const std::vector<TensorType> types = pair->integer.outs();
  for (size_t i = 0; i < got.size(); ++i)
    expect_rounded(problem, GetParam().test_case(), types[i], got[i],
                   i == 0 ? pair->real : pair->more_real[i - 1]);
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

}  // namespace
}  // namespace q
