// Reductions, normalizations and what depends on the order of elements, on numbers that can be checked by
// hand, and the ONNX nodes that become them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "build_graph.h"
#include "onnx/mapping.h"
#include "op_problem.h"
#include "ops/shared/samples.h"
#include "q/exec.h"
#include "q/pass.h"
#include "q/recipe.h"

namespace q {
namespace {

using namespace op_problem;

using U8 = std::vector<uint8_t>;
using F32 = std::vector<float>;
using Strings = std::vector<std::string>;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Reals {
  Shape shape;
  F32 values;
};

// All outputs.
std::vector<F32> reals(std::string_view name, std::string_view attrs, const std::vector<Reals>& in) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  for (const Reals& each : in) p.in.push_back(make_tensor(each.shape, each.values));
  p.constants_from = 1;
  for (const Shape& shape : p.op->infer(p.attrs, p.types())) p.more_outs.push_back({DType::kF32, shape, {}});
  p.out = p.more_outs.at(0);
  p.more_outs.erase(p.more_outs.begin());
  std::vector<F32> out;
  for (const std::vector<uint8_t>& data : run_all(p, generic())) out.push_back(as_floats(data));
  return out;
}
F32 real(std::string_view name, std::string_view attrs, const std::vector<Reals>& in) {
  return reals(name, attrs, in).at(0);
}

TensorType integer_type(const Shape& shape, double scale, int32_t zero_point) {
  return {DType::kU8, shape, QParams{QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {zero_point}}};
}

// An operator on integers of scale 1/2 and zero point 10, to the same or to those given.
U8 quantized(std::string_view name, std::string_view attrs, const Shape& shape, const U8& values,
             double scale = 0.5, int32_t zero_point = 10, const std::vector<Reals>& parameters = {}) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  p.in.push_back(make_tensor(integer_type(shape, 0.5, 10)));
  std::ranges::copy(values, p.in[0].as<uint8_t>());
  for (const Reals& each : parameters) p.in.push_back(make_tensor(each.shape, each.values));
  p.constants_from = 1;
  p.out = integer_type(p.op->infer(p.attrs, p.types()).at(0), scale, zero_point);
  U8 out = run(p, *kernels_up_to(""));
  out.resize(out.size() - kGuard);
  return out;
}

std::vector<Shape> inferred(std::string_view name, std::string_view attrs, const std::vector<Shape>& in) {
  const OpDef& op = *find_op(name);
  std::vector<TensorType> types;
  for (const Shape& shape : in) types.push_back({DType::kF32, shape, {}});
  const Attrs parsed = parse_attrs(op, attrs);
  std::vector<Shape> out = op.infer(parsed, types);
  check_samples(op, parsed, types, out);
  return out;
}

std::string refusal(std::string_view name, std::string_view attrs, const std::vector<Shape>& in) {
  try {
    inferred(name, attrs, in);
    return "taken";
  } catch (const Error& error) {
    return error.what();
  }
}

// ---- reductions ----

const Reals kTable{{2, 3}, {1, -2, 3, 4, 5, -7}};

TEST(Reduction, GoesOverTheAxesItIsGivenAndOverAllWithoutAny) {
  EXPECT_EQ(real("sum", "axes=0", {kTable}), (F32{5, 3, -4}));
  EXPECT_EQ(real("sum", "axes=-1", {kTable}), (F32{2, 2}));
  EXPECT_EQ(real("sum", "", {kTable}), (F32{4}));
  const Reals cube{{2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}};
  EXPECT_EQ(real("sum", "axes=2,0", {cube}), (F32{1 + 2 + 5 + 6, 3 + 4 + 7 + 8}));
  EXPECT_EQ(real("sum", "axes=1", {cube}), (F32{4, 6, 12, 14}));
}

TEST(Reduction, KeepsItsAxesOrLeavesThemOut) {
  EXPECT_EQ(inferred("sum", "axes=1,-1", {{2, 3, 4, 5}}).at(0), (Shape{2, 1, 4, 1}));
  EXPECT_EQ(inferred("sum", "axes=1,-1;keepdims=0", {{2, 3, 4, 5}}).at(0), (Shape{2, 4}));
  EXPECT_EQ(inferred("sum", "keepdims=0", {{2, 3}}).at(0), Shape{});
  EXPECT_EQ(inferred("sum", "axes=1", {{-3, 4}}).at(0), (Shape{-3, 1}));
}

TEST(Reduction, RefusesAxesThatAreNotThere) {
  EXPECT_NE(refusal("sum", "axes=2", {{2, 3}}), "taken");
  EXPECT_EQ(refusal("sum", "axes=0,-2", {{2, 3}}), "attribute axes holds axis 0 twice");
  EXPECT_EQ(refusal("sum", "keepdims=2", {{2, 3}}), "attribute keepdims is 2, wanted 0 or 1");
  EXPECT_EQ(refusal("amax", "", {{2, 0}}), "input is [2,0], wanted an element along axis 1");
  EXPECT_EQ(refusal("sum", "", {{kFree, 3}}), "mixes samples: one result over axis 0");
}

TEST(Reduction, SumsWhatBinary32WouldLose) {
  F32 values(40, 1);
  values[0] = 0x1p24f;
  EXPECT_EQ(real("sum", "", {{{40}, values}}), (F32{0x1p24f + 39 + 1}));  // 2^24 + 39, to even
  EXPECT_EQ(real("sum", "axes=0", {{{40, 1}, values}}), (F32{0x1p24f + 40}));
}

TEST(Reduction, HasTheMeaningOfItsName) {
  EXPECT_EQ(real("mean", "axes=-1", {kTable}), (F32{2.f / 3, 2.f / 3}));
  EXPECT_EQ(real("prod", "axes=-1", {kTable}), (F32{-6, -140}));
  EXPECT_EQ(real("amax", "axes=-1", {kTable}), (F32{3, 5}));
  EXPECT_EQ(real("amin", "axes=0", {kTable}), (F32{1, -2, -7}));
  EXPECT_EQ(real("sum_square", "axes=-1", {kTable}), (F32{14, 90}));
  EXPECT_EQ(real("norm", "axes=-1", {{{1, 2}, {3, -4}}}), (F32{5}));
  EXPECT_EQ(real("norm", "axes=-1;p=1", {kTable}), (F32{6, 16}));
  EXPECT_EQ(real("norm", "axes=-1;p=inf", {kTable}), (F32{3, 7}));
  EXPECT_NEAR(real("norm", "p=3", {{{2}, {-3, 4}}})[0], std::cbrt(27. + 64), 1e-6);
  EXPECT_NEAR(real("log_sum", "", {{{2}, {0.25f, 7.75f}}})[0], std::log(8.), 1e-6);
  EXPECT_EQ(refusal("norm", "p=0", {{2}}), "attribute p is 0, wanted more than 0");
}

TEST(Variance, DividesByTheElementsLessTheCorrection) {
  const Reals x{{1, 4}, {1, 2, 3, 6}};  // mean 3, squares 4 + 1 + 0 + 9
  EXPECT_EQ(real("var", "axes=1", {x}), (F32{14.f / 3}));
  EXPECT_EQ(real("var", "axes=1;correction=0", {x}), (F32{3.5f}));
  EXPECT_EQ(real("std", "axes=1;correction=0.5", {x}), (F32{2}));
  EXPECT_EQ(refusal("var", "axes=0", {{1, 4}}),
            "attribute correction is 1, input is [1,4], wanted less than the 1 elements of a result");
}

TEST(LogSumExp, DoesNotOverflow) {
  EXPECT_EQ(real("logsumexp", "", {{{2}, {1000, 1000}}}), (F32{static_cast<float>(1000 + std::log(2.))}));
  EXPECT_EQ(real("logsumexp", "", {{{2}, {-kInf, -kInf}}}), (F32{-kInf}));
  EXPECT_EQ(real("logsumexp", "", {{{2}, {kInf, 0}}}), (F32{kInf}));
}

TEST(Reduction, KeepsNan) {
  const Reals x{{2, 3}, {1, kNan, 3, 4, 5, 6}};
  for (const char* name : {"sum", "mean", "prod", "amax", "amin", "norm", "logsumexp", "var"}) {
    for (const char* axes : {"axes=1", "axes=0"}) {
      const F32 y = real(name, axes, {x});
      EXPECT_TRUE(std::isnan(y[axes == std::string("axes=1") ? 0 : 1])) << name << " " << axes;
      EXPECT_FALSE(std::isnan(y.back())) << name << " " << axes;
    }
  }
  EXPECT_TRUE(std::isnan(real("norm", "p=inf", {x})[0]));
}

TEST(QuantizedMean, RoundsTheMeanOfTheIntegersOverTheLastAxes) {
  // 11.5 and 12.5: to even on q itself
  EXPECT_EQ(quantized("mean", "axes=1", {2, 2}, {11, 12, 12, 13}), (U8{12, 12}));
}

TEST(QuantizedMean, RoundsTheMeanOfTheRealsOverOtherAxes) {
  // q - 9 is 2.5 and 3.5 steps: to even, 2 and 4
  Problem p{.op = find_op("mean")};
  p.attrs = parse_attrs(*p.op, "axes=0");
  p.in = {make_tensor(integer_type({2, 2}, 0.5, 9))};
  std::ranges::copy(U8{11, 12, 12, 13}, p.in[0].as<uint8_t>());
  p.out = integer_type({1, 2}, 0.5, 9);
  U8 out = run(p, generic());
  out.resize(2);
  EXPECT_EQ(out, (U8{11, 13}));
}

TEST(QuantizedReduction, PicksIntegersOrRoundsOnce) {
  const U8 x = {12, 6, 20, 10};  // 1, -2, 5, 0
  EXPECT_EQ(quantized("amax", "", {4}, x), (U8{20}));
  EXPECT_EQ(quantized("amin", "axes=1", {2, 2}, x), (U8{6, 10}));
  EXPECT_EQ(quantized("sum", "", {4}, x, 1, 3), (U8{7}));
  EXPECT_EQ(quantized("norm", "p=1", {4}, x, 2, 0), (U8{4}));
  EXPECT_EQ(quantized("sum_square", "", {4}, x, 1, 0), (U8{30}));
  EXPECT_EQ(quantized("std", "correction=0", {2}, {12, 16}, 0.5, 1), (U8{3}));  // half of 4 steps
}

// ---- positions ----

TEST(Argmax, TakesTheFirstOfEqualElementsOrTheLast) {
  const Reals x{{2, 4}, {1, 5, 5, 2, 7, 7, 0, 7}};
  EXPECT_EQ(real("argmax", "axis=1", {x}), (F32{1, 0}));
  EXPECT_EQ(real("argmax", "axis=1;select_last_index=1", {x}), (F32{2, 3}));
  EXPECT_EQ(real("argmin", "axis=0", {x}), (F32{0, 0, 1, 0}));
  EXPECT_EQ(real("argmax", "", {x}), (F32{1, 1, 0, 1}));
  EXPECT_EQ(inferred("argmax", "axis=-1;keepdims=0", {{kFree, 10}}).at(0), (Shape{kFree}));
}

TEST(Argmax, TakesNanBeforeAllOthers) {
  const Reals x{{5}, {1, kNan, kInf, kNan, 2}};
  EXPECT_EQ(real("argmax", "", {x}), (F32{1}));
  EXPECT_EQ(real("argmax", "select_last_index=1", {x}), (F32{3}));
  EXPECT_EQ(real("argmin", "", {x}), (F32{1}));
}

TEST(Argmax, InAQuantizedModelReadsIntegersAndGivesRealsThatOthersQuantize) {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 4}),
                y = b.node("argmax", {x}, "y", parse_attrs(*find_op("argmax"), "axis=-1")),
                z = b.node("add", {y, b.constant("c", {1, 1}, {0.5f})}, "z");
  b.output(z);
  Changes changes;
  const Recipe recipe = parse_recipe("activations: {method: minmax}", "test");
  Graph graph = run_pass("place_observers", b.graph(), {.recipe = &recipe}, changes);
  for (Value& value : graph.values)
    if (value.observation) value.type.qparams = QParams{.scales = {0.125}, .zero_points = {0}};
  graph = run_pass("convert", std::move(graph), {}, changes);
  Strings ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op);
  EXPECT_EQ(ops, (Strings{"quantize", "argmax", "quantize", "add", "dequantize"}));
  const Tensor in = make_tensor({2, 4}, F32{1, 2, 9, 3, 5, 0, 0, 0});
  const View view = in.view();
  F32 out;
  Executable(graph, {}).run({&view, 1}, [&](ValueId, View each) {
    out.assign(each.as<float>(), each.as<float>() + elements(each.shape));
  });
  EXPECT_EQ(out, (F32{2.5f, 0.5f}));
}

TEST(Sort, PutsEqualElementsInTheirOrderAndNanAsTheGreatest) {
  const Reals x{{6}, {2, kNan, 1, 2, -kInf, kInf}};
  EXPECT_EQ(reals("sort", "", {x})[1], (F32{4, 2, 0, 3, 5, 1}));
  EXPECT_EQ(reals("sort", "descending=1", {x})[1], (F32{1, 5, 0, 3, 2, 4}));
  EXPECT_EQ(reals("sort", "axis=0", {{{3, 2}, {3, 1, 1, 2, 2, 3}}}),
            (std::vector<F32>{{1, 1, 2, 2, 3, 3}, {1, 0, 2, 1, 0, 2}}));
}

TEST(Topk, GivesTheFirstOfEqualElements) {
  const Reals x{{2, 5}, {3, 1, 3, 2, 3, 0, 9, kNan, 9, 1}};
  const std::vector<F32> greatest = reals("topk", "k=2", {x}), least = reals("topk", "k=2;largest=0", {x});
  EXPECT_EQ(greatest[1], (F32{0, 2, 2, 1}));
  EXPECT_EQ(greatest[0][0], 3);
  EXPECT_TRUE(std::isnan(greatest[0][2]));
  EXPECT_EQ(least, (std::vector<F32>{{1, 2, 0, 1}, {1, 3, 0, 4}}));
  EXPECT_EQ(refusal("topk", "k=6", {{2, 5}}),
            "attribute k is 6, input is [2,5], wanted 1 to the elements along axis 1");
  EXPECT_NE(refusal("topk", "k=1;axis=0", {{kFree, 5}}), "taken");
}

TEST(Topk, AgreesWithSort) {
  std::mt19937_64 random(test_seed());
  Reals x{{3, 200, 2}, F32(1200)};
  for (float& value : x.values) value = static_cast<float>(random() % 50);
  const std::vector<F32> sorted = reals("sort", "axis=1;descending=1", {x}),
                         top = reals("topk", "k=30;axis=1", {x});
  for (size_t n = 0; n < 3; ++n) {
    for (size_t output : {0, 1})
      EXPECT_TRUE(std::equal(top[output].begin() + static_cast<std::ptrdiff_t>(n * 60),
                             top[output].begin() + static_cast<std::ptrdiff_t>(n * 60 + 60),
                             sorted[output].begin() + static_cast<std::ptrdiff_t>(n * 400)));
  }
}

TEST(Cumsum, GoesEitherWayWithOrWithoutTheElement) {
  const Reals x{{3}, {1, 2, 4}};
  EXPECT_EQ(real("cumsum", "axis=0", {x}), (F32{1, 3, 7}));
  EXPECT_EQ(real("cumsum", "axis=0;exclusive=1", {x}), (F32{0, 1, 3}));
  EXPECT_EQ(real("cumsum", "axis=0;reverse=1", {x}), (F32{7, 6, 4}));
  EXPECT_EQ(real("cumsum", "axis=0;reverse=1;exclusive=1", {x}), (F32{6, 4, 0}));
  EXPECT_EQ(real("cumsum", "axis=0", {{{2, 2}, {1, 2, 3, 4}}}), (F32{1, 2, 4, 6}));
  EXPECT_EQ(quantized("cumsum", "axis=0", {3}, {12, 14, 9}, 0.5, 0), (U8{2, 6, 5}));
}

// ---- softmax and its kin ----

TEST(LogSoftmax, IsTheLogarithmOfSoftmaxWithoutOverflow) {
  const F32 y = real("log_softmax", "", {{{1, 2}, {1000, 1000}}});
  EXPECT_EQ(y, (F32(2, static_cast<float>(-std::log(2.)))));
  EXPECT_EQ(real("log_softmax", "axis=0", {{{1, 3}, {1, 2, 3}}}), (F32{0, 0, 0}));
  EXPECT_NEAR(real("flat_log_softmax", "axis=1", {{{1, 2, 2}, {0, 0, 0, 0}}})[3], -std::log(4.), 1e-6);
}

TEST(LogSoftmax, HasStepsOfASixteenthUpToZero) {
  const QParams wanted = fixed_qparams(*find_op("log_softmax"));
  EXPECT_EQ(wanted.scales[0], 1. / 16);
  EXPECT_EQ(wanted.zero_points[0], 255);
}

TEST(Glu, MultipliesOneHalfWithTheSigmoidOfTheOther) {
  EXPECT_EQ(real("glu", "axis=0", {{{4, 1}, {2, 3, 0, -kInf}}}), (F32{1, 0}));
  EXPECT_EQ(quantized("glu", "", {1, 2}, {18, 10}), (U8{14}));  // 4 * 1/2
  EXPECT_EQ(refusal("glu", "", {{2, 3}}), "input is [2,3], wanted an even extent along axis 1");
}

// ---- normalization ----

TEST(LayerNorm, HasMeanZeroAndVarianceOneBeforeItsParameters) {
  const Reals x{{1, 4}, {1, 3, 1, 3}};
  EXPECT_EQ(real("layer_norm", "epsilon=0", {x}), (F32{-1, 1, -1, 1}));
  EXPECT_EQ(real("layer_norm", "epsilon=3", {x}), (F32{-0.5f, 0.5f, -0.5f, 0.5f}));
  EXPECT_EQ(real("layer_norm", "epsilon=0", {x, {{4}, {1, 2, 3, 4}}, {{4}, {1, 1, 0, 0}}}),
            (F32{0, 3, -3, 4}));
  EXPECT_EQ(refusal("layer_norm", "axis=1", {{2, 3, 4}, {4}}),
            "weight is [4], input is [2,3,4], wanted [3,4]");
  EXPECT_NE(refusal("layer_norm", "axis=0", {{kFree, 4}}), "taken");
}

TEST(LayerNorm, OfIntegersIsThatOfTheirReals) {
  // reals -1 and 1 of variance 1: * 2 + 1
  EXPECT_EQ(quantized("layer_norm", "epsilon=0", {1, 2}, {8, 12}, 1, 5, {{{2}, {2, 2}}, {{2}, {1, 1}}}),
            (U8{4, 8}));
}

TEST(RmsNorm, DoesNotMoveTheMean) {
  EXPECT_EQ(real("rms_norm", "epsilon=0", {{{1, 2}, {3, 3}}, {{2}, {1, 2}}}), (F32{1, 2}));
  EXPECT_EQ(quantized("rms_norm", "epsilon=0", {1, 2}, {16, 16}, 0.5, 0), (U8{2, 2}));
}

TEST(GroupNorm, TakesGroupsOfChannelsOfEachSampleAndParametersOfEachChannel) {
  // channels {1, 3}, {1, 3}, {10, 10}, {20, 20}: one group of the first two, one of the last two
  const Reals x{{1, 4, 2}, {1, 3, 1, 3, 10, 10, 20, 20}};
  EXPECT_EQ(real("group_norm", "num_groups=2;epsilon=0", {x, {{4}, {1, 2, 3, 4}}, {{4}, {0, 0, 1, 0}}}),
            (F32{-1, 1, -2, 2, -2, -2, 4, 4}));
  EXPECT_EQ(real("instance_norm", "epsilon=1", {{{1, 2, 2}, {5, 5, -7, -7}}, {{2}, {1, 1}}, {{2}, {2, 3}}}),
            (F32{2, 2, 3, 3}));
  EXPECT_NE(refusal("group_norm", "num_groups=3", {{1, 4, 2}}), "taken");
  EXPECT_NE(refusal("instance_norm", "", {{1, 4, kFree}}), "taken");
}

TEST(LocalResponseNorm, LooksAtNeighbouringChannelsAsFarAsThereAreAny) {
  // 1 + 3/3 * (1 + 4), 1 + (1 + 4 + 4), 1 + (4 + 4)
  const Reals x{{1, 3, 1}, {1, 2, 2}};
  EXPECT_EQ(real("local_response_norm", "size=3;alpha=3;beta=1", {x}), (F32{1.f / 6, 2.f / 10, 2.f / 9}));
  EXPECT_EQ(real("local_response_norm", "size=1;alpha=1.25;bias=11;beta=0.75", {{{1, 1}, {2}}}),
            (F32{0.25f}));
  // of an even size PyTorch's window reaches further back than forward
  EXPECT_EQ(real("local_response_norm", "size=2;alpha=2;beta=1", {x}), (F32{1.f / 2, 2.f / 6, 2.f / 9}));
}

TEST(Normalize, DividesByTheNormButNeverByZero) {
  EXPECT_EQ(real("normalize", "axis=-1", {{{2, 2}, {3, -4, 0, 0}}}), (F32{0.6f, -0.8f, 0, 0}));
  EXPECT_EQ(real("normalize", "axis=0;p=1", {{{2, 1}, {1, -3}}}), (F32{0.25f, -0.75f}));
}

// ---- ONNX ----

OnnxNode::Input computed(const Shape& shape) {
  OnnxNode::Input input;
  input.type = {DType::kF32, shape, {}};
  return input;
}

OnnxNode::Input constant(const F32& values) {
  OnnxNode::Input input = computed({std::ssize(values)});
  input.constant = make_tensor(input.type.shape, values);
  return input;
}

OnnxNode::Input integers(const Ints& values) {
  OnnxNode::Input input;
  input.constant = make_tensor(DType::kI64, Shape{std::ssize(values)});
  std::ranges::copy(values, input.constant->as<int64_t>());
  input.type = input.constant->type;
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

std::string op_of(const OnnxNode& node) {
  const std::optional<MappedNode> mapped = map_node(node);
  return mapped ? std::string(mapped->op->name) : "none";
}

std::string refusal(const OnnxNode& node) {
  try {
    return op_of(node);
  } catch (const Error& error) {
    return error.what();
  }
}

const OnnxNode::Input kImage = computed({kFree, 8, 5, 7});

TEST(OnnxReduce, TakesAxesFromAnAttributeOrAnInput) {
  const OnnxNode old = node("ReduceSum", 11, {kImage}, {{"axes", Ints{1, -1}}, {"keepdims", int64_t{0}}}),
                 late = node("ReduceSum", 13, {kImage, integers({1, -1})}, {{"keepdims", int64_t{0}}});
  for (const OnnxNode& each : {old, late}) {
    const MappedNode mapped = *map_node(each);
    EXPECT_EQ(mapped.op->name, "sum");
    EXPECT_EQ(mapped.node.inputs.size(), 1u);
    EXPECT_EQ(mapped.op->infer(mapped.node.attrs, {{kImage.type}}).at(0), (Shape{kFree, 5}));
  }
  EXPECT_EQ(refusal(node("ReduceMax", 18, {kImage}, {{"noop_with_empty_axes", int64_t{1}}})),
            "noop_with_empty_axes is 1 and there are no axes, wanted some");
}

TEST(OnnxReduce, BecomesTheOperatorOfItsName) {
  for (const auto& [type, op] : {std::pair("ReduceMean", "mean"),
                                 {"ReduceMax", "amax"},
                                 {"ReduceMin", "amin"},
                                 {"ReduceProd", "prod"},
                                 {"ReduceLogSum", "log_sum"},
                                 {"ReduceLogSumExp", "logsumexp"},
                                 {"ReduceSumSquare", "sum_square"},
                                 {"ReduceL1", "norm"},
                                 {"ReduceL2", "norm"}})
    EXPECT_EQ(op_of(node(type, 13, {kImage}, {{"axes", Ints{1}}})), op);
  EXPECT_EQ(attr_float(map_node(node("ReduceL1", 13, {kImage}))->node.attrs, "p"), 1);
  EXPECT_EQ(op_of(node("ArgMax", 13, {kImage}, {{"axis", int64_t{1}}})), "argmax");
  EXPECT_EQ(attr_int(map_node(node("CumSum", 14, {kImage, integers({2})}))->node.attrs, "axis"), 2);
  EXPECT_EQ(attr_int(map_node(node("TopK", 11, {kImage, integers({3})}))->node.attrs, "k"), 3);
}

TEST(OnnxLogSoftmax, IsFlatUntilOpset12) {
  EXPECT_EQ(op_of(node("LogSoftmax", 12, {kImage})), "flat_log_softmax");
  EXPECT_EQ(op_of(node("LogSoftmax", 12, {computed({kFree, 10})})), "log_softmax");
  EXPECT_EQ(op_of(node("LogSoftmax", 13, {kImage})), "log_softmax");
}

TEST(OnnxGroupNormalization, HasParametersOfGroupsUntilOpset20) {
  const Attrs groups = {{"num_groups", int64_t{2}}};
  const OnnxNode by_group =
      node("GroupNormalization", 18, {kImage, constant({1, 2}), constant({3, 4})}, groups);
  const MappedNode mapped = *map_node(by_group);
  const Tensor& scale = *mapped.node.inputs.at(1).constant;
  EXPECT_EQ(F32(scale.as<float>(), scale.as<float>() + 8), (F32{1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(refusal(node("GroupNormalization", 18, {kImage, constant(F32(8)), constant(F32(8))}, groups)),
            "scale is [8], input is [N,8,5,7], wanted one for each of the 2 groups");
  EXPECT_EQ(op_of(node("GroupNormalization", 21, {kImage, constant(F32(8)), constant(F32(8))}, groups)),
            "group_norm");
}

TEST(OnnxNormalizations, AreTakenWithTheirDefaults) {
  const MappedNode layer = *map_node(node("LayerNormalization", 17, {kImage, constant(F32(7))}));
  EXPECT_EQ(layer.op->name, "layer_norm");
  EXPECT_EQ(attr_int(layer.node.attrs, "axis"), -1);
  EXPECT_EQ(
      refusal(node("LayerNormalization", 17, {kImage, constant(F32(7))}, {{"stash_type", int64_t{10}}})),
      "stash_type is 10, wanted 1 (float)");
  EXPECT_EQ(op_of(node("RMSNormalization", 23, {kImage, constant(F32(7))})), "rms_norm");
  EXPECT_EQ(attr_int(map_node(node("LpNormalization", 7, {kImage}))->node.attrs, "axis"), -1);
  EXPECT_EQ(op_of(node("LRN", 13, {kImage}, {{"size", int64_t{5}}})), "local_response_norm");
  EXPECT_EQ(refusal(node("LRN", 13, {kImage}, {{"size", int64_t{4}}})), "size is 4, wanted an odd number");
}

}  // namespace
}  // namespace q
