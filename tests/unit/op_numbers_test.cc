// Operators on numbers that can be checked by hand.
#include <algorithm>
#include <cmath>
#include <limits>

#include "op_problem.h"
#include "ops/shared/samples.h"

namespace q {
namespace {

using namespace op_problem;

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
