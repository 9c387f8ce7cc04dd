// The normative arithmetic against numbers worked out by hand.
#include "q/quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace q {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

QParams choose(const QuantSpec& spec, float lo, float hi) {
  const Range range{lo, hi};
  return choose_qparams(spec, {&range, 1}, "t");
}

constexpr QuantSpec kU8{};
constexpr QuantSpec kI8Symmetric{DType::kI8, QScheme::kPerTensorSymmetric, 0, -128, 127};

TEST(Quantize, RoundsHalvesToEvenBeforeTheZeroPointIsAdded) {
  EXPECT_EQ(quantize_value(0.5f, 1.0f, 3, 0, 255), 3);  // 0.5 → 0
  EXPECT_EQ(quantize_value(1.5f, 1.0f, 3, 0, 255), 5);  // 1.5 → 2
  EXPECT_EQ(quantize_value(2.5f, 1.0f, 3, 0, 255), 5);  // 2.5 → 2; after the zero point it would be 5.5 → 6
  EXPECT_EQ(quantize_value(-0.5f, 1.0f, 3, 0, 255), 3);
}

TEST(Quantize, MultipliesByTheReciprocalInsteadOfDividing) {
  // the case FBGEMM and torch document: the product is 127.5, the quotient just below it
  EXPECT_EQ(quantize_value(0.273939937f, 0.00214854861f, 0, 0, 255), 128);
}

TEST(Quantize, TakesInfinitiesToTheEndsAndNaNToTheZeroPoint) {
  EXPECT_EQ(quantize_value(kInf, 0.1f, 7, 0, 255), 255);
  EXPECT_EQ(quantize_value(-kInf, 0.1f, 7, 0, 255), 0);
  EXPECT_EQ(quantize_value(3e38f, 1e-3f, 7, 0, 255), 255);
  EXPECT_EQ(quantize_value(kNaN, 0.1f, 7, 0, 255), 7);
}

TEST(Quantize, KeepsWithinANarrowerRangeThanTheType) {
  EXPECT_EQ(quantize_value(1000, 1.0f, 0, 0, 127), 127);
  EXPECT_EQ(quantize_value(-1000, 1.0f, 0, -127, 127), -127);
}

TEST(Requantize, ClampsWhereFloatIntegersWouldOverflow) {
  EXPECT_EQ(requantize_value(2147483647, 1e30f, 10, 0, 255), 255);
  EXPECT_EQ(requantize_value(-2147483647, 1e30f, 10, 0, 255), 0);
  EXPECT_EQ(requantize_value(5, 0.5f, 10, 0, 255), 12);  // 2.5 → 2
  EXPECT_EQ(requantize_value(7, 0.5f, 10, 0, 255), 14);  // 3.5 → 4
}

TEST(ChooseQParams, PutsZeroInsideTheRange) {
  const QParams above = choose(kU8, 5, 5);
  EXPECT_EQ(above.scales[0], 5.0f / 255.0f);
  EXPECT_EQ(above.zero_points[0], 0);
  const QParams below = choose(kU8, -3, -3);
  EXPECT_EQ(below.scales[0], 3.0f / 255.0f);
  EXPECT_EQ(below.zero_points[0], 255);
}

TEST(ChooseQParams, FollowsTheAffineFormula) {
  const QParams q = choose(kU8, -1, 3);
  EXPECT_EQ(q.scales[0], 4.0f / 255.0f);
  EXPECT_EQ(q.zero_points[0], 64);  // rint(1 / (4/255)) = rint(63.75)
}

TEST(ChooseQParams, UsesHalfTheLevelsForSymmetricSchemes) {
  EXPECT_EQ(choose(kI8Symmetric, -2, 1).scales[0], 2.0f / 127.5f);
  EXPECT_EQ(choose(kI8Symmetric, -2, 1).zero_points[0], 0);
  QuantSpec narrow = kI8Symmetric;
  narrow.quant_min = -127;
  EXPECT_EQ(choose(narrow, -2, 1).scales[0], 2.0f / 127.0f);
  QuantSpec unsigned_spec{DType::kU8, QScheme::kPerTensorSymmetric};
  EXPECT_EQ(choose(unsigned_spec, -2, 1).zero_points[0], 128);
  unsigned_spec.quant_max = 127;
  EXPECT_EQ(choose(unsigned_spec, -2, 1).zero_points[0], 63);
}

TEST(ChooseQParams, NeverGoesBelowEps) {
  EXPECT_EQ(choose(kU8, 0, 0).scales[0], 0x1p-23);
  EXPECT_EQ(choose(kU8, 0, 0).zero_points[0], 0);
}

TEST(ChooseQParams, RefusesRangesThatAreNoRanges) {
  EXPECT_THROW(choose(kU8, 1, -1), Error);
  EXPECT_THROW(choose(kU8, kNaN, 1), Error);
  EXPECT_THROW(choose(kU8, 0, kInf), Error);
  EXPECT_THROW(choose(kU8, -3e38f, 3e38f), Error);  // the width overflows binary32
}

TEST(CheckQParams, RefusesWhatTorchAccepts) {
  const auto check = [](double scale, int32_t zero_point) {
    check_qparams({QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {zero_point}}, DType::kU8, Shape{2}, "t");
  };
  EXPECT_NO_THROW(check(0.1, 255));
  for (double scale : {0.0, -0.1, HUGE_VAL, std::nan(""), 1e-50, 1e-40})
    EXPECT_THROW(check(scale, 0), Error) << scale;
  EXPECT_THROW(check(0.1, 256), Error);
  EXPECT_THROW(check(0.1, -1), Error);
}

TEST(Dequantize, IsDoubleArithmeticPerChannelAndSingleOtherwise) {
  Tensor q = make_tensor(
      {DType::kI8, Shape{2, 2}, QParams{QScheme::kPerChannelAffine, 0, -128, 127, {0.1, 0.3}, {0, 1}}});
  const int8_t integers[] = {3, -3, 8, 1};
  std::copy(std::begin(integers), std::end(integers), q.as<int8_t>());
  const Tensor x = dequantize(q.view());
  EXPECT_EQ(x.as<float>()[0], static_cast<float>(3 * 0.1));
  EXPECT_EQ(x.as<float>()[2], static_cast<float>(7 * 0.3));
  EXPECT_EQ(x.as<float>()[3], 0.0f);
  EXPECT_EQ(dequantize_value(3, 0.1f, 0), 0.1f * 3.0f);
}

TEST(Quantize, GivesEachChannelItsOwnScale) {
  const float values[] = {1, 2, 1, 2};
  const Tensor q = quantize(make_tensor(Shape{2, 2}, values).view(), DType::kI8,
                            {QScheme::kPerChannelSymmetric, 1, -127, 127, {1.0, 0.5}, {0, 0}});
  EXPECT_EQ(q.as<int8_t>()[0], 1);
  EXPECT_EQ(q.as<int8_t>()[1], 4);
  EXPECT_EQ(q.as<int8_t>()[3], 4);
}

TEST(Quantize, GivesElementsOfLargeTensorsTheScaleOfTheirChannelToo) {
  // Channels of 1, 7, 4900 and 50,021 elements: several within a block of work, and several blocks in one.
  const struct {
    Shape shape;
    int axis;
    int64_t inner;
  } cases[] = {
      {{100'003, 3}, 1, 1}, {{11, 3, 7 * 700}, 1, 4900}, {{3, 50'021}, 0, 50'021}, {{40'000, 3, 1, 7}, 1, 7}};
  const std::vector<double> scales = {0.5, 0.25, 2.0};
  const std::vector<int32_t> zero_points = {0, -3, 5};
  for (const auto& [shape, axis, inner] : cases) {
    std::vector<float> values(static_cast<size_t>(elements(shape)));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 997) / 16 - 30;
    const Tensor q = quantize(make_tensor(shape, values).view(), DType::kI8,
                              {QScheme::kPerChannelAffine, axis, -128, 127, scales, zero_points});
    const Tensor back = dequantize(q.view());
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t channel = i / static_cast<size_t>(inner) % 3;
      const float scale = static_cast<float>(scales[channel]);
      const int32_t wanted = quantize_value(values[i], scale, zero_points[channel], -128, 127);
      ASSERT_EQ(q.as<int8_t>()[i], wanted) << to_string(shape) << " " << i;
      ASSERT_EQ(back.as<float>()[i], dequantize_value(wanted, scale, zero_points[channel]));
    }
  }
}

TEST(QuantizeBias, ScalesByTheProductAndCountsWhatSaturates) {
  const float bias[] = {1.0f, -2.5f, 1e30f};
  const QParams weight{QScheme::kPerChannelSymmetric, 0, -127, 127, {0.5, 0.25, 0.5}, {0, 0, 0}};
  int64_t saturated = 0;
  const Tensor q = quantize_bias(make_tensor(Shape{3}, bias).view(), 0.5, weight, &saturated);
  EXPECT_EQ(q.as<int32_t>()[0], 4);
  EXPECT_EQ(q.as<int32_t>()[1], -20);
  EXPECT_EQ(q.as<int32_t>()[2], INT32_MAX);
  EXPECT_EQ(saturated, 1);
}

TEST(Tensor, RefusesSizesThatOverflow) {
  EXPECT_THROW(elements(Shape{int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW(make_tensor(DType::kF32, Shape{int64_t{1} << 61}), Error);
  EXPECT_THROW(make_tensor(DType::kF32, Shape{kFree, 3}), Error);
}

TEST(Tensor, PacksSubByteTypesToWholeBytes) {
  EXPECT_EQ(bytes(DType::kU4, Shape{3, 5}), 8u);
  EXPECT_EQ(bytes(DType::kU2, Shape{3, 3}), 3u);
}

TEST(NormalizeAxis, CountsFromTheEnd) {
  EXPECT_EQ(normalize_axis(-1, 4, "axis"), 3);
  EXPECT_EQ(normalize_axis(2, 4, "axis"), 2);
  EXPECT_THROW(normalize_axis(4, 4, "axis"), Error);
  EXPECT_THROW(normalize_axis(-5, 4, "axis"), Error);
}

}  // namespace
}  // namespace q
