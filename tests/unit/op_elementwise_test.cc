// Elementwise operators on numbers that can be checked by hand, and the ONNX nodes they take.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "onnx/mapping.h"
#include "op_problem.h"
#include "ops/shared/samples.h"

namespace q {
namespace {

using namespace op_problem;

using U8 = std::vector<uint8_t>;
using F32 = std::vector<float>;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Reals {
  Shape shape;
  F32 values;
};

F32 real(std::string_view name, std::string_view attrs, const std::vector<Reals>& in) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  for (const Reals& reals : in) p.in.push_back(make_tensor(reals.shape, reals.values));
  p.constants_from = p.op->parameters_from;
  p.constants_from = std::min(p.constants_from, static_cast<int>(p.in.size()));
  p.out = {DType::kF32, p.op->infer(p.attrs, p.types()).at(0), {}};
  return as_floats(run(p, generic()));
}

F32 real(std::string_view name, std::string_view attrs, const F32& x) {
  return real(name, attrs, {{Shape{std::ssize(x)}, x}});
}
float real(std::string_view name, std::string_view attrs, float x) { return real(name, attrs, F32{x}).at(0); }

F32 real_pair(std::string_view name, const F32& a, const F32& b) {
  return real(name, "", {{Shape{std::ssize(a)}, a}, {Shape{std::ssize(b)}, b}});
}

struct Integers {
  Shape shape;
  double scale;
  int32_t zero_point;
  U8 values{};

  TensorType type() const {
    return {DType::kU8, shape, QParams{QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {zero_point}}};
  }
};

// Parameters are floats behind the integers.
U8 quantized(std::string_view name, std::string_view attrs, const std::vector<Integers>& in, double scale,
             int32_t zero_point, const std::vector<Reals>& parameters = {}) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  for (const Integers& integers : in) {
    p.in.push_back(make_tensor(integers.type()));
    std::copy(integers.values.begin(), integers.values.end(), p.in.back().as<uint8_t>());
  }
  p.constants_from = static_cast<int>(p.in.size());
  for (const Reals& reals : parameters) p.in.push_back(make_tensor(reals.shape, reals.values));
  p.out = Integers{p.op->infer(p.attrs, p.types()).at(0), scale, zero_point}.type();
  U8 out = run(p, generic());
  out.resize(out.size() - kGuard);
  return out;
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

// What the check of shapes and attributes says; "taken" when nothing.
std::string refusal(std::string_view name, std::string_view attrs, const std::vector<Shape>& in) {
  try {
    inferred(name, attrs, in);
    return "taken";
  } catch (const Error& error) {
    return error.what();
  }
}

// ---- functions of one input ----

TEST(Elementwise, FunctionsAreLibmsNarrowed) {
  const std::pair<const char*, double (*)(double)> functions[] = {
      {"exp", std::exp},     {"log", std::log},    {"erf", std::erf},   {"sin", std::sin},
      {"cos", std::cos},     {"tan", std::tan},    {"asin", std::asin}, {"acos", std::acos},
      {"atan", std::atan},   {"sinh", std::sinh},  {"cosh", std::cosh}, {"asinh", std::asinh},
      {"acosh", std::acosh}, {"atanh", std::atanh}};
  const F32 x = {-kInf, -100, -2, -1, -0.75f, -1e-20f, -0.f, 0, 1e-20f, 0.5f, 1, 1.5f, 30, kInf, kNan};
  for (const auto& [name, function] : functions) {
    const F32 y = real(name, "", x);
    for (size_t i = 0; i < x.size(); ++i) {
      const float wanted = static_cast<float>(function(x[i]));
      EXPECT_TRUE(std::isnan(wanted) ? std::isnan(y[i]) : y[i] == wanted)
          << name << " of " << x[i] << " is " << y[i] << ", wanted " << wanted;
    }
  }
}

TEST(Elementwise, ActivationsBendWhereTorchBendsThem) {
  const float e1 = std::exp(-1.f) - 1;
  EXPECT_EQ(real("elu", "alpha=2", F32{-1, 0, 3}), (F32{2 * e1, 0, 3}));
  EXPECT_FLOAT_EQ(real("celu", "alpha=2", -2.f), 2 * e1);
  EXPECT_EQ(real("celu", "alpha=2", 3.f), 3);
  EXPECT_FLOAT_EQ(real("selu", "", -1.f), 1.0507009873554805f * 1.6732632423543773f * e1);
  EXPECT_FLOAT_EQ(real("selu", "", 2.f), 2.101402f);
  EXPECT_EQ(real("leaky_relu", "alpha=0.25", F32{-4, 0, 3}), (F32{-1, 0, 3}));
  EXPECT_EQ(real("threshold", "threshold=1;value=-7", F32{0.5f, 1, 1.5f}), (F32{-7, -7, 1.5f}));
  EXPECT_EQ(real("shrink", "lambd=1;bias=0.5", F32{-2, -1, 0, 1, 3}), (F32{-1.5f, 0, 0, 0, 2.5f}));
  EXPECT_EQ(real("softsign", "", F32{-3, 0, 1}), (F32{-0.75f, 0, 0.5f}));
}

TEST(Elementwise, SoftplusIsLinearAboveItsThreshold) {
  EXPECT_FLOAT_EQ(real("softplus", "", 0.f), std::log(2.f));
  EXPECT_FLOAT_EQ(real("softplus", "beta=2", 1.f), std::log1p(std::exp(2.f)) / 2);
  EXPECT_EQ(real("softplus", "beta=2;threshold=1", 0.75f), 0.75f);
  EXPECT_EQ(real("softplus", "", 1000.f), 1000);
  EXPECT_FLOAT_EQ(real("softplus", "", -30.f), std::exp(-30.f));
}

TEST(Elementwise, GeluAndMishAreTheirDefinitions) {
  for (const float x : {-6.f, -1.f, -0.25f, 0.f, 0.5f, 3.f, 12.f}) {
    const double wide = x, inner = std::sqrt(2 / M_PI) * (wide + 0.044715 * wide * wide * wide);
    EXPECT_FLOAT_EQ(real("gelu", "", x), static_cast<float>(wide * std::erfc(-wide / std::sqrt(2.)) / 2))
        << x;
    EXPECT_NEAR(real("gelu", "approximate=tanh", x), wide * (1 + std::tanh(inner)) / 2,
                1e-7 * (1 + std::abs(x)));
    EXPECT_FLOAT_EQ(real("mish", "", x), static_cast<float>(wide * std::tanh(std::log1p(std::exp(wide)))))
        << x;
  }
  EXPECT_EQ(real("mish", "", 1000.f), 1000);
  EXPECT_EQ(real("gelu", "", 1000.f), 1000);
}

TEST(Elementwise, WholeNumbersAreTiesToEven) {
  const F32 x = {-2.5f, -1.5f, -0.25f, 0.5f, 1.5f, 2};
  EXPECT_EQ(real("round", "", x), (F32{-2, -2, 0, 0, 2, 2}));
  EXPECT_EQ(real("floor", "", x), (F32{-3, -2, -1, 0, 1, 2}));
  EXPECT_EQ(real("ceil", "", x), (F32{-2, -1, 0, 1, 2, 2}));
  EXPECT_EQ(real("sign", "", F32{-2, -0.f, 0, 3, kNan}), (F32{-1, 0, 0, 1, 0}));
}

TEST(Elementwise, RootsAndInversesAreThoseOfIeee) {
  EXPECT_EQ(real("sqrt", "", F32{0, 2, 9}), (F32{0, std::sqrt(2.f), 3}));
  EXPECT_TRUE(std::isnan(real("sqrt", "", -1.f)));
  EXPECT_EQ(real("rsqrt", "", F32{0, 4, kInf}), (F32{kInf, 0.5f, 0}));
  EXPECT_EQ(real("reciprocal", "", F32{-4, 0, kInf}), (F32{-0.25f, kInf, 0}));
  EXPECT_EQ(real("abs", "", F32{-2, -0.f, 3}), (F32{2, 0, 3}));
  EXPECT_EQ(real("neg", "", F32{-2, 3}), (F32{2, -3}));
}

TEST(Elementwise, NanStaysWhereTorchKeepsIt) {
  for (const auto& [name, attrs] : {std::pair("elu", ""),
                                    {"celu", ""},
                                    {"selu", ""},
                                    {"leaky_relu", ""},
                                    {"threshold", "threshold=1"},
                                    {"shrink", ""},
                                    {"softplus", ""},
                                    {"gelu", ""},
                                    {"gelu", "approximate=tanh"},
                                    {"mish", ""},
                                    {"softsign", ""},
                                    {"abs", ""},
                                    {"neg", ""},
                                    {"round", ""},
                                    {"pow_scalar", "exponent=2"},
                                    {"add_scalar", "scalar=1;min=0"},
                                    {"mul_scalar", "scalar=2;max=0"}})
    EXPECT_TRUE(std::isnan(real(name, attrs, kNan))) << name;
}

TEST(Elementwise, QuestionsAreAnsweredByZeroAndOne) {
  const F32 x = {-kInf, -1, 0, -0.f, kInf, kNan};
  EXPECT_EQ(real("isnan", "", x), (F32{0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(real("isinf", "", x), (F32{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(real("isinf", "detect_negative=0", x), (F32{0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(real("isinf", "detect_positive=0", x), (F32{1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(real("logical_not", "", x), (F32{0, 0, 1, 1, 0, 0}));
}

TEST(Elementwise, PowersOfFrequentExponentsRoundOnce) {
  EXPECT_EQ(real("pow_scalar", "exponent=2", F32{-3, 0x1.000002p0f}), (F32{9, 0x1.000004p0f}));
  EXPECT_EQ(real("pow_scalar", "exponent=3", F32{-3, 2}), (F32{-27, 8}));
  EXPECT_EQ(real("pow_scalar", "exponent=0.5", F32{9, 0}), (F32{3, 0}));
  EXPECT_EQ(real("pow_scalar", "exponent=-1", F32{4, -2}), (F32{0.25f, -0.5f}));
  EXPECT_EQ(real("pow_scalar", "exponent=0", F32{0, kNan}), (F32{1, 1}));
  EXPECT_FLOAT_EQ(real("pow_scalar", "exponent=2.5", 4.f), 32);
}

TEST(Elementwise, ScalarsClampAsTheirReluFormsDo) {
  EXPECT_EQ(real("add_scalar", "scalar=-1;min=0", F32{0.5f, 3}), (F32{0, 2}));
  EXPECT_EQ(real("mul_scalar", "scalar=-2;min=0", F32{0.5f, -3}), (F32{0, 6}));
}

TEST(Elementwise, AttributesThatHaveNoMeaningAreRefused) {
  EXPECT_EQ(refusal("celu", "alpha=0", {{3}}), "attribute alpha is 0, wanted another");
  EXPECT_EQ(refusal("softplus", "beta=0", {{3}}), "attribute beta is 0, wanted another");
  EXPECT_EQ(refusal("gelu", "approximate=erf", {{3}}),
            "attribute approximate is \"erf\", wanted none or tanh");
  EXPECT_EQ(refusal("add_n", "divisor=0", {{3}}), "attribute divisor is 0, wanted another");
  EXPECT_NE(refusal("add_scalar", "scalar=1;min=2;max=1", {{3}}), "taken");
}

// ---- their integers ----

TEST(QuantizedElementwise, IsTheFunctionOfTheRealRoundedOnce) {
  const Integers x{{4}, 0.5, 10, {4, 9, 10, 13}};  // -3, -0.5, 0, 1.5
  EXPECT_EQ(quantized("leaky_relu", "alpha=0.5", {x}, 0.5, 5),
            (U8{2, 5, 5, 8}));  // -3 and -0.5 steps, to even
  EXPECT_EQ(quantized("abs", "", {x}, 0.5, 0), (U8{6, 1, 0, 3}));
  EXPECT_EQ(quantized("threshold", "threshold=0;value=2", {x}, 0.5, 10), (U8{14, 14, 14, 13}));
  EXPECT_EQ(quantized("elu", "", {x}, 0.25, 8),
            (U8{4, 6, 8, 14}));  // -0.95 and -0.39 are -3.8 and -1.6 steps
}

TEST(QuantizedElementwise, ScalarsGiveTorchsIntegersInTorchsScale) {
  // add_scalar: z - rint(c / s) is the zero point and the integers stay; mul_scalar: s * |c|, turned round
  // below 0
  const Integers x{{3}, 0.5, 100, {0, 101, 255}};
  EXPECT_EQ(quantized("add_scalar", "scalar=10", {x}, 0.5, 80), x.values);
  EXPECT_EQ(quantized("mul_scalar", "scalar=3", {x}, 1.5, 100), x.values);
  EXPECT_EQ(quantized("mul_scalar", "scalar=-3", {x}, 1.5, 155), (U8{255, 154, 0}));
  EXPECT_EQ(quantized("mul_scalar", "scalar=0", {x}, 1, 0), (U8{0, 0, 0}));
  EXPECT_EQ(quantized("add_scalar", "scalar=10;min=0", {x}, 0.5, 80), (U8{80, 101, 255}));
}

TEST(QuantizedComparison, TellsRealsApartThatHaveTheSameInteger) {
  const Integers a{{4}, 0.5, 10, {10, 11, 12, 14}},
      b{{4}, 0.25, 10, {10, 11, 12, 18}};  // 0 .5 1 2; 0 .25 .5 2
  EXPECT_EQ(quantized("eq", "", {a, b}, 1. / 128, 0), (U8{128, 0, 0, 128}));
  EXPECT_EQ(quantized("ne", "", {a, b}, 1. / 128, 0), (U8{0, 128, 128, 0}));
  EXPECT_EQ(quantized("gt", "", {a, b}, 1. / 128, 0), (U8{0, 128, 128, 0}));
  EXPECT_EQ(quantized("ge", "", {a, b}, 1. / 128, 0), (U8{128, 128, 128, 128}));
  EXPECT_EQ(quantized("lt", "", {a, b}, 1. / 128, 0), (U8{0, 0, 0, 0}));
  EXPECT_EQ(quantized("le", "", {a, b}, 1. / 128, 0), (U8{128, 0, 0, 128}));
  EXPECT_EQ(quantized("logical_xor", "", {a, b}, 1. / 128, 0), (U8{0, 0, 0, 0}));
}

TEST(QuantizedWhere, TakesTheConditionsZeroPointForFalse) {
  const Integers condition{{4}, 0.5, 7, {7, 0, 8, 7}}, a{{4}, 1, 0, {1, 2, 3, 4}}, b{{1}, 0.5, 10, {0}};
  EXPECT_EQ(quantized("where", "", {condition, a, b}, 0.5, 10), (U8{0, 14, 16, 0}));
}

TEST(QuantizedMaximum, ComparesRealsOfAnyScales) {
  const Integers a{{3}, 1, 0, {1, 2, 3}}, b{{3}, 0.5, 10, {14, 12, 10}}, c{{1}, 1, 0, {1}};  // b: 2 1 0
  EXPECT_EQ(quantized("maximum", "", {a, b}, 0.5, 0), (U8{4, 4, 6}));
  EXPECT_EQ(quantized("minimum", "", {a, b, c}, 0.5, 0), (U8{2, 2, 0}));
}

TEST(QuantizedAddN, RoundsTheSumOnce) {
  // 0.5 + 0.5 + 0.5 steps of 1 are 1.5, to even 2; rounding every operand first would give 0
  const Integers half{{1}, 0.5, 0, {1}};
  EXPECT_EQ(quantized("add_n", "", {half, half, half}, 1, 0), (U8{2}));
  EXPECT_EQ(quantized("add_n", "divisor=3", {half, half, half}, 0.25, 0), (U8{2}));
}

TEST(QuantizedPrelu, HasATableForEverySlope) {
  const Integers x{{2, 2}, 0.5, 10, {6, 6, 12, 12}};  // -2 and 1 in both channels
  EXPECT_EQ(quantized("prelu", "", {x}, 0.25, 100, {{{2}, {0.25f, -0.5f}}}), (U8{98, 104, 104, 104}));
  EXPECT_EQ(quantized("prelu", "", {x}, 0.25, 100, {{{1}, {0.5f}}}), (U8{96, 96, 104, 104}));
}

// ---- several inputs ----

TEST(Prelu, TakesItsSlopeAlongAxisOne) {
  EXPECT_EQ(real("prelu", "", {{{2, 2}, {-4, -4, 4, -8}}, {{2}, {0.25f, 0.5f}}}), (F32{-1, -2, 4, -4}));
  EXPECT_EQ(real("prelu", "", {{{3}, {-4, 0, 4}}, {{1}, {0.25f}}}), (F32{-1, 0, 4}));
  EXPECT_EQ(refusal("prelu", "", {{2, 3}, {2}}),
            "slope is [2], input is [2,3], wanted one slope, or one per channel of rank 2 to 5");
  EXPECT_EQ(refusal("prelu", "", {{7}, {7}}),
            "slope is [7], input is [7], wanted one slope, or one per channel of rank 2 to 5");
}

TEST(Extremum, TakesAnyNumberOfInputsAndANanWins) {
  EXPECT_EQ(real("maximum", "", {{{3}, {1, 5, 3}}, {{}, {2}}, {{3}, {0, 0, 9}}}), (F32{2, 5, 9}));
  EXPECT_EQ(real("minimum", "", {{{2, 1}, {1, 5}}, {{2}, {3, 4}}}), (F32{1, 1, 3, 4}));
  for (const char* name : {"maximum", "minimum"}) {
    EXPECT_TRUE(std::isnan(real_pair(name, {kNan}, {1}).at(0)));
    EXPECT_TRUE(std::isnan(real_pair(name, {1}, {kNan}).at(0)));
  }
}

TEST(AddN, AddsInTheOrderOfItsInputs) {
  // 2^24 + 1 is 2^24 in float32, so that only the other order keeps what is added
  EXPECT_EQ(real("add_n", "", {{{}, {0x1p24f}}, {{}, {1}}, {{}, {1}}}), F32{0x1p24f});
  EXPECT_EQ(real("add_n", "", {{{}, {1}}, {{}, {1}}, {{}, {0x1p24f}}}), F32{0x1.000002p24f});
  EXPECT_EQ(real("add_n", "divisor=4", {{{2}, {1, 2}}, {{1}, {3}}, {{2}, {4, 11}}}), (F32{2, 4}));
}

TEST(Where, BroadcastsAllThree) {
  EXPECT_EQ(real("where", "", {{{2, 1}, {1, 0}}, {{3}, {1, 2, 3}}, {{}, {9}}}), (F32{1, 2, 3, 9, 9, 9}));
  EXPECT_EQ(real("where", "", {{{3}, {-1, -0.f, kNan}}, {{1}, {5}}, {{3}, {6, 7, 8}}}), (F32{5, 7, 5}));
  EXPECT_EQ(inferred("where", "", {{kFree, 1, 4}, {3, 1}, {1}}), (Shape{kFree, 3, 4}));
  EXPECT_EQ(refusal("where", "", {{2}, {3}, {1}}),
            "inputs are [2] and [3], wanted extents that are equal or 1");
}

TEST(Where, StaysFloatBesideAConstantThatStandsForInfinity) {
  const OpDef& op = *find_op("where");
  EXPECT_EQ(op.unfit(1, make_tensor(Shape{}, F32{-65504})), "");
  EXPECT_EQ(op.unfit(1, make_tensor(Shape{}, F32{-1e9f})), "holds -1e+09, too far from others for one scale");
  EXPECT_NE(op.unfit(2, make_tensor(Shape{}, F32{-kInf})), "");
  EXPECT_NE(op.unfit(2, make_tensor(Shape{}, F32{kNan})), "");
}

TEST(Remainders, HaveTheSignOfTheirNames) {
  const F32 a = {7, -7, 7, -7, 6}, b = {3, 3, -3, -3, 3};
  EXPECT_EQ(real_pair("fmod", a, b), (F32{1, -1, 1, -1, 0}));
  EXPECT_EQ(real_pair("remainder", a, b), (F32{1, 2, -2, -1, 0}));
  EXPECT_TRUE(std::isnan(real_pair("fmod", {1}, {0}).at(0)));
}

TEST(Pow, OfTensorsIsThatOfC) {
  EXPECT_EQ(real_pair("pow", {2, 9, -2, 0, 5, -8}, {10, 0.5f, 3, 0, -1, 2}), (F32{1024, 3, -8, 1, 0.2f, 64}));
  EXPECT_TRUE(std::isnan(real_pair("pow", {-2}, {0.5f}).at(0)));
}

TEST(Atan2, KnowsItsQuadrant) {
  const F32 angles = real_pair("atan2", {1, 1, -1, -1}, {1, -1, -1, 1});
  const float pi = 3.14159265f;
  for (size_t i = 0; i < 4; ++i)
    EXPECT_FLOAT_EQ(angles[i], (F32{pi / 4, 3 * pi / 4, -3 * pi / 4, -pi / 4})[i]);
}

TEST(Comparison, OfNanIsFalseButForNe) {
  for (const char* name : {"eq", "gt", "ge", "lt", "le"})
    EXPECT_EQ(real_pair(name, {kNan}, {1}), F32{0}) << name;
  EXPECT_EQ(real_pair("ne", {kNan}, {kNan}), F32{1});
}

TEST(Logical, TakesWhatIsNotZeroForTrue) {
  const F32 a = {0, 0, -2, 3}, b = {0, 0.5f, 0, -1};
  EXPECT_EQ(real_pair("logical_and", a, b), (F32{0, 0, 0, 1}));
  EXPECT_EQ(real_pair("logical_or", a, b), (F32{0, 1, 1, 1}));
  EXPECT_EQ(real_pair("logical_xor", a, b), (F32{0, 1, 1, 0}));
}

// ---- ONNX ----

OnnxNode::Input computed(const Shape& shape, DType dtype = DType::kF32) {
  OnnxNode::Input input;
  input.type = {dtype, shape, {}};
  return input;
}

OnnxNode::Input floats(const Shape& shape, const F32& values) {
  OnnxNode::Input input = computed(shape);
  input.constant = make_tensor(shape, values);
  return input;
}

OnnxNode node(std::string type, int64_t opset, std::vector<OnnxNode::Input> inputs, Attrs attrs = {}) {
  OnnxNode out;
  out.type = std::move(type);
  out.opset = opset;
  out.inputs = std::move(inputs);
  out.attrs = std::move(attrs);
  return out;
}

// "relu", "none", or why not.
std::string taken_by(const OnnxNode& node) {
  try {
    const std::optional<MappedNode> mapped = map_node(node);
    return mapped ? std::string(mapped->op->name) : "none";
  } catch (const Error& error) {
    return error.what();
  }
}

const OnnxNode::Input kX = computed({kFree, 8, 5, 7});

TEST(OnnxElementwise, NodesOfOneInputHaveTheirOperators) {
  for (const auto& [type, op] : {std::pair("Elu", "elu"),
                                 {"Celu", "celu"},
                                 {"Selu", "selu"},
                                 {"LeakyRelu", "leaky_relu"},
                                 {"Gelu", "gelu"},
                                 {"Softplus", "softplus"},
                                 {"ThresholdedRelu", "threshold"},
                                 {"Abs", "abs"},
                                 {"Neg", "neg"},
                                 {"Exp", "exp"},
                                 {"Log", "log"},
                                 {"Sqrt", "sqrt"},
                                 {"Reciprocal", "reciprocal"},
                                 {"Sin", "sin"},
                                 {"Cos", "cos"},
                                 {"Tan", "tan"},
                                 {"Asin", "asin"},
                                 {"Acos", "acos"},
                                 {"Atan", "atan"},
                                 {"Sinh", "sinh"},
                                 {"Cosh", "cosh"},
                                 {"Asinh", "asinh"},
                                 {"Acosh", "acosh"},
                                 {"Atanh", "atanh"},
                                 {"Erf", "erf"},
                                 {"Mish", "mish"},
                                 {"Softsign", "softsign"},
                                 {"Floor", "floor"},
                                 {"Ceil", "ceil"},
                                 {"Round", "round"},
                                 {"Sign", "sign"},
                                 {"Not", "logical_not"},
                                 {"Shrink", "shrink"},
                                 {"IsNaN", "isnan"},
                                 {"IsInf", "isinf"}})
    EXPECT_EQ(taken_by(node(type, 20, {kX})), op);
  EXPECT_EQ(taken_by(node("Gelu", 19, {kX})), "none");
  EXPECT_EQ(taken_by(node("Mish", 17, {kX})), "none");
}

TEST(OnnxElementwise, AttributesAreTakenOverWithOnnxsDefaults) {
  const auto attrs = [](const OnnxNode& from) { return map_node(from)->node.attrs; };
  EXPECT_EQ(attr_float(attrs(node("ThresholdedRelu", 10, {kX})), "threshold"), 1);
  EXPECT_EQ(attr_float(attrs(node("ThresholdedRelu", 10, {kX}, {{"alpha", 2.5}})), "threshold"), 2.5);
  EXPECT_EQ(attr_float(attrs(node("ThresholdedRelu", 10, {kX})), "value"), 0);
  EXPECT_EQ(attr_float(attrs(node("LeakyRelu", 16, {kX})), "alpha"), 0.01);
  EXPECT_EQ(attr_float(attrs(node("Shrink", 9, {kX})), "lambd"), 0.5);
  EXPECT_EQ(attr_string(attrs(node("Gelu", 20, {kX}, {{"approximate", std::string("tanh")}})), "approximate"),
            "tanh");
  EXPECT_EQ(taken_by(node("Elu", 7, {kX}, {{"beta", 1.0}})), "unknown attribute beta");
}

TEST(OnnxElementwise, NodesOfTwoInputsHaveTheirOperators) {
  for (const auto& [type, op] : {std::pair("Equal", "eq"),
                                 {"Greater", "gt"},
                                 {"GreaterOrEqual", "ge"},
                                 {"Less", "lt"},
                                 {"LessOrEqual", "le"},
                                 {"And", "logical_and"},
                                 {"Or", "logical_or"},
                                 {"Xor", "logical_xor"},
                                 {"Max", "maximum"},
                                 {"Min", "minimum"},
                                 {"Pow", "pow"},
                                 {"Mod", "remainder"},
                                 {"Sum", "add"},
                                 {"Mean", "add_n"}})
    EXPECT_EQ(taken_by(node(type, 13, {kX, kX})), op);
  EXPECT_EQ(taken_by(node("Mod", 13, {kX, kX}, {{"fmod", int64_t{1}}})), "fmod");
  EXPECT_EQ(taken_by(node("Where", 9, {computed({kFree, 1, 5, 7}, DType::kBool), kX, kX})), "where");
  EXPECT_EQ(taken_by(node("GreaterOrEqual", 11, {kX, kX})), "none");
}

TEST(OnnxElementwise, SumsAndExtremaTakeAnyNumberOfInputs) {
  EXPECT_EQ(taken_by(node("Sum", 13, {kX, kX, kX})), "add_n");
  EXPECT_EQ(taken_by(node("Sum", 13, {kX})), "add_n");
  EXPECT_EQ(taken_by(node("Max", 13, {kX, kX, kX, kX})), "maximum");
  EXPECT_EQ(attr_float(map_node(node("Mean", 13, {kX, kX, kX}))->node.attrs, "divisor"), 3);
  EXPECT_EQ(attr_float(map_node(node("Sum", 13, {kX, kX, kX}))->node.attrs, "divisor"), 1);
}

TEST(OnnxPow, OfOneNumberIsPowScalar) {
  const MappedNode square = *map_node(node("Pow", 13, {kX, floats({1}, {2})}));
  EXPECT_EQ(square.op->name, "pow_scalar");
  EXPECT_EQ(attr_float(square.node.attrs, "exponent"), 2);
  EXPECT_EQ(square.node.inputs.size(), 1u);
  OnnxNode::Input whole;
  whole.constant = make_tensor(DType::kI64, Shape{});
  *whole.constant->as<int64_t>() = -3;
  whole.type = whole.constant->type;
  EXPECT_EQ(attr_float(map_node(node("Pow", 13, {kX, whole}))->node.attrs, "exponent"), -3);
  EXPECT_EQ(taken_by(node("Pow", 13, {kX, floats({2}, {2, 3})})), "pow");
  EXPECT_EQ(taken_by(node("Pow", 13, {computed({3}), floats({1, 1}, {2})})),
            "pow");  // the result has two axes
}

TEST(OnnxPrelu, TakesSlopesThatLieOnTheChannels) {
  const F32 slopes(8, 0.25f);
  for (const Shape& shape : {Shape{8, 1, 1}, Shape{1, 8, 1, 1}}) {
    const MappedNode prelu = *map_node(node("PRelu", 9, {kX, floats(shape, slopes)}));
    EXPECT_EQ(prelu.op->name, "prelu");
    EXPECT_EQ(prelu.node.inputs[1].type.shape, Shape{8});
  }
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{1, 1, 1}})
    EXPECT_EQ(map_node(node("PRelu", 9, {kX, floats(shape, {0.5f})}))->node.inputs[1].type.shape, Shape{1});
  EXPECT_EQ(
      map_node(node("PRelu", 9, {computed({kFree, 8}), floats({8}, slopes)}))->node.inputs[1].type.shape,
      Shape{8});
  // the last axis of an image is no channel
  EXPECT_EQ(taken_by(node("PRelu", 9, {kX, floats({7}, F32(7, 1))})),
            "slope is [7], input is [N,8,5,7], wanted one slope, or one per channel");
  EXPECT_EQ(taken_by(node("PRelu", 9, {computed({kFree, 8, 8, 8}), floats({8}, slopes)})),
            "slope is [8], input is [N,8,8,8], wanted one slope, or one per channel");
  EXPECT_EQ(taken_by(node("PRelu", 9, {kX, computed({8, 1, 1})})),
            "the slope is computed, wanted a constant");
}

}  // namespace
}  // namespace q
