// Elementwise kernels and those that observe: generic against numbers worked out by hand, every other row
// against generic, bit for bit.
#include <cmath>

#include "kernel_rows.h"
#include "quant/bins.h"

namespace {

using namespace kernel_rows;

class ElementwiseKernel : public KernelRow {};
INSTANTIATE_TEST_SUITE_P(Isas, ElementwiseKernel, testing::ValuesIn(q::isas().begin(), q::isas().end()),
                         isa_name);

// ---- elementwise ----

uint8_t quantized(float x, const q::ToU8& to) {
  uint8_t out;
  generic().quantize_u8(&x, 1, to, &out);
  return out;
}

TEST(GenericKernel, QuantizeRoundsTiesToEvenBeforeItAddsTheZeroPoint) {
  EXPECT_EQ(quantized(0.5f, {1, 3, 0, 255}), 3);
  EXPECT_EQ(quantized(1.5f, {1, 3, 0, 255}), 5);
  EXPECT_EQ(quantized(-0.5f, {1, 3, 0, 255}), 3);
  EXPECT_EQ(quantized(-1.5f, {1, 3, 0, 255}), 1);
}

TEST(GenericKernel, QuantizeMultipliesWithTheInverseOfTheScale) {
  // x / scale is below 127.5, x * (1 / scale) is 127.5: PyTorch's rule is the product.
  EXPECT_EQ(quantized(0.273939937f, {1 / 0.00214854861f, 0, 0, 255}), 128);
}

TEST(GenericKernel, QuantizeSaturatesAndMapsNanToTheZeroPoint) {
  EXPECT_EQ(quantized(kInf, {1, 3, 0, 255}), 255);
  EXPECT_EQ(quantized(-kInf, {1, 3, 0, 255}), 0);
  EXPECT_EQ(quantized(3e38f, {1e10f, 3, 0, 127}), 127);
  EXPECT_EQ(quantized(kNan, {1, 3, 0, 255}), 3);
  EXPECT_EQ(quantized(kNan, {1, 3, 10, 255}), 10);
}

TEST(GenericKernel, DequantizeIsOneProduct) {
  const uint8_t q[] = {0, 128, 255};
  float out[3];
  generic().dequantize_u8(q, 3, {0.1f, 128}, out);
  EXPECT_EQ(out[0], 0.1f * -128);
  EXPECT_EQ(out[1], 0);
  EXPECT_EQ(out[2], 0.1f * 127);
}

TEST(GenericKernel, AddAndMulWorkOnReals) {
  const uint8_t a[] = {12}, b[] = {24};
  uint8_t out[1];
  generic().add_u8(a, b, 1, {0.5f, 2}, {0.25f, 4}, {2, 7, 0, 255}, out);  // 5 + 5 = 10, times 2, plus 7
  EXPECT_EQ(out[0], 27);
  generic().mul_u8(a, b, 1, 2, 4, {0.125f, 7, 0, 255}, out);  // 10 * 20 / 8 + 7
  EXPECT_EQ(out[0], 32);
}

TEST(GenericKernel, FloatAddAndMulClampAndKeepNan) {
  const float a[] = {1, -3, kNan, kInf}, b[] = {2, 1, 1, -kInf};
  float out[4];
  generic().add_f32(a, b, 4, 0, 2.5f, out);
  EXPECT_EQ(out[0], 2.5f);
  EXPECT_EQ(out[1], 0);
  EXPECT_TRUE(std::isnan(out[2]));
  EXPECT_TRUE(std::isnan(out[3]));
  generic().mul_f32(a, b, 2, -2, 9, out);
  EXPECT_EQ(out[0], 2);
  EXPECT_EQ(out[1], -2);
}

TEST_P(ElementwiseKernel, QuantizeEqualsGeneric) {
  for (const size_t n : kLengths) {
    const std::vector<float> x = random.odd_f32(n);
    for (const float inverse_scale : {1.f, 0.5f, 31.7f, 1e10f, 1e-30f}) {
      const q::ToU8 to = random.to_u8(inverse_scale);
      Output<uint8_t> expected(n), actual(n);
      generic().quantize_u8(x.data(), n, to, expected.data());
      row->quantize_u8(x.data(), n, to, actual.data());
      expect_same(expected, actual);
    }
  }
}

TEST_P(ElementwiseKernel, DequantizeEqualsGeneric) {
  for (const size_t n : kLengths) {
    const std::vector<uint8_t> x = random.u8(n);
    const q::AffineU8 from = {random.real(1e-4f, 1), static_cast<int32_t>(random.between(0, 255))};
    Output<float> expected(n), actual(n);
    generic().dequantize_u8(x.data(), n, from, expected.data());
    row->dequantize_u8(x.data(), n, from, actual.data());
    expect_same(expected, actual);
  }
}

TEST_P(ElementwiseKernel, LutFindsEveryEntry) {
  const std::vector<uint8_t> table = random.u8(256 - 64);  // 256 with its padding
  std::vector<uint8_t> all(256);
  for (size_t i = 0; i < 256; ++i) all[i] = static_cast<uint8_t>(i);
  Output<uint8_t> out(256);
  row->lut_u8(all.data(), 256, table.data(), out.data());
  EXPECT_TRUE(std::equal(table.begin(), table.end(), out.elements.begin()));
}

TEST_P(ElementwiseKernel, LutEqualsGeneric) {
  const std::vector<uint8_t> table = random.u8(256);
  for (const size_t n : kLengths) {
    const std::vector<uint8_t> x = random.u8(n);
    Output<uint8_t> expected(n), actual(n);
    generic().lut_u8(x.data(), n, table.data(), expected.data());
    row->lut_u8(x.data(), n, table.data(), actual.data());
    expect_same(expected, actual);
  }
}

// All 65 536 pairs of levels.
struct Pairs {
  std::vector<uint8_t> a, b;
  Pairs() {
    for (int i = 0; i < 65536; ++i) {
      a.push_back(static_cast<uint8_t>(i));
      b.push_back(static_cast<uint8_t>(i >> 8));
    }
  }
};

TEST_P(ElementwiseKernel, AddAndMulOfU8EqualGenericForAllPairs) {
  const Pairs pairs;
  const size_t n = pairs.a.size();
  for (int i = 0; i < 20; ++i) {
    const auto zero_point = [&] { return static_cast<int32_t>(random.between(0, 255)); };
    const q::AffineU8 qa = {i % 2 ? random.real(1e-3f, 1) : 0.25f, zero_point()};
    const q::AffineU8 qb = {i % 2 ? random.real(1e-3f, 1) : 0.5f, zero_point()};
    const q::ToU8 to = random.to_u8(i % 2 ? random.real(0.1f, 10) : 0.5f);
    Output<uint8_t> sum(n), sum_here(n), product(n), product_here(n);
    generic().add_u8(pairs.a.data(), pairs.b.data(), n, qa, qb, to, sum.data());
    row->add_u8(pairs.a.data(), pairs.b.data(), n, qa, qb, to, sum_here.data());
    expect_same(sum, sum_here);
    const q::ToU8 whole = random.to_u8(i % 2 ? random.real(1e-3f, 1e-1f) : 0.5f);
    generic().mul_u8(pairs.a.data(), pairs.b.data(), n, qa.zero_point, qb.zero_point, whole, product.data());
    row->mul_u8(pairs.a.data(), pairs.b.data(), n, qa.zero_point, qb.zero_point, whole, product_here.data());
    expect_same(product, product_here);
  }
}

TEST_P(ElementwiseKernel, AddOfU8WhoseRealsOverflowEqualsGeneric) {
  const Pairs pairs;
  const size_t n = pairs.a.size();
  Output<uint8_t> expected(n), actual(n);
  const q::AffineU8 huge = {3e38f, 128};  // inf - inf among the sums
  generic().add_u8(pairs.a.data(), pairs.b.data(), n, huge, huge, {1e-38f, 7, 0, 255}, expected.data());
  row->add_u8(pairs.a.data(), pairs.b.data(), n, huge, huge, {1e-38f, 7, 0, 255}, actual.data());
  expect_same(expected, actual);
}

TEST_P(ElementwiseKernel, AddAndMulOfU8StopAtTheEnd) {
  for (const size_t n : kLengths) {
    const std::vector<uint8_t> a = random.u8(n), b = random.u8(n);
    Output<uint8_t> sum(n), sum_here(n), product(n), product_here(n);
    generic().add_u8(a.data(), b.data(), n, {0.1f, 3}, {0.2f, 5}, {4, 9, 0, 255}, sum.data());
    row->add_u8(a.data(), b.data(), n, {0.1f, 3}, {0.2f, 5}, {4, 9, 0, 255}, sum_here.data());
    expect_same(sum, sum_here);
    generic().mul_u8(a.data(), b.data(), n, 3, 5, {0.01f, 9, 0, 255}, product.data());
    row->mul_u8(a.data(), b.data(), n, 3, 5, {0.01f, 9, 0, 255}, product_here.data());
    expect_same(product, product_here);
  }
}

TEST_P(ElementwiseKernel, AddAndMulOfF32EqualGeneric) {
  for (const size_t n : kLengths) {
    const std::vector<float> a = random.odd_f32(n), b = random.odd_f32(n);
    for (const float lo : {-kInf, 0.f, -0.f}) {
      const float hi = lo == 0 ? 6 : kInf;
      Output<float> sum(n), sum_here(n), product(n), product_here(n);
      generic().add_f32(a.data(), b.data(), n, lo, hi, sum.data());
      row->add_f32(a.data(), b.data(), n, lo, hi, sum_here.data());
      expect_same(sum, sum_here);
      generic().mul_f32(a.data(), b.data(), n, lo, hi, product.data());
      row->mul_f32(a.data(), b.data(), n, lo, hi, product_here.data());
      expect_same(product, product_here);
    }
  }
}

// ---- observation ----

// Around the blocks in which rows look for ranges and count.
const size_t kLongLengths[] = {511, 512, 513, 1000, 4095, 4096, 4097, 9001};

TEST(GenericKernel, MinMaxLooksAtFiniteValuesOnlyAndCountsTheRest) {
  const float x[] = {3, kNan, -0.f, kInf, -2, -kInf};
  q::MinMaxF32 range = {kInf, -kInf, 0};
  generic().minmax_f32(x, 6, &range);
  EXPECT_EQ(range.lo, -2);
  EXPECT_EQ(range.hi, 3);
  EXPECT_EQ(range.non_finite, 3u);
}

TEST(GenericKernel, MinMaxOfNothingIsEmptyAndCombines) {
  q::MinMaxF32 range = {kInf, -kInf, 0};
  generic().minmax_f32(nullptr, 0, &range);
  EXPECT_EQ(range.lo, kInf);
  EXPECT_EQ(range.hi, -kInf);
  const float first[] = {-0.f}, second[] = {5, kNan};
  generic().minmax_f32(first, 1, &range);
  EXPECT_TRUE(same(range.lo, 0.f));
  EXPECT_TRUE(same(range.hi, 0.f));
  generic().minmax_f32(second, 2, &range);
  EXPECT_EQ(range.lo, 0);
  EXPECT_EQ(range.hi, 5);
  EXPECT_EQ(range.non_finite, 1u);
}

TEST(GenericKernel, HistogramBinsMirrorAtZero) {
  const float x[] = {0, -0.f, 0.49f, 0.5f, -0.01f, -0.5f, -0.51f, kNan, kInf, -kTiny};
  uint32_t counts[4] = {};
  generic().histogram_f32(x, 10, {2, 0, 0, 0}, -2, counts);  // bins of 1/2 from -1 on
  EXPECT_EQ(counts[0], 1u);                                  // -0.51
  EXPECT_EQ(counts[1], 3u);                                  // -0.01, -0.5, -tiny
  EXPECT_EQ(counts[2], 3u);                                  // 0, -0, 0.49
  EXPECT_EQ(counts[3], 1u);                                  // 0.5
}

TEST(GenericKernel, HistogramTellsTheSignOfValuesThatUnderflow) {
  const float x[] = {-kTiny, kTiny};
  uint32_t counts[2] = {};
  generic().histogram_f32(x, 2, {0x1p-100f, 0, 0, 0}, -1, counts);
  EXPECT_EQ(counts[0], 1u);
  EXPECT_EQ(counts[1], 1u);
}

// Width 1 from 16 on; 8 to 16 has bins of 1/2, 4 to 8 of 1/4, and what is below 4 is in bin 0.
TEST(GenericKernel, HistogramHasSixteenBinsForEachPowerOfTwoNextToZero) {
  const q::BinsF32 bins = {1, 0x41800000, (0x40800000 >> 19) - 1, 33 - 16};
  const std::pair<float, int64_t> cases[] = {
      {0, 0},       {3.99f, 0},  {4, 1},       {4.24f, 1},    {4.25f, 2},    {7.99f, 16},
      {8, 17},      {8.49f, 17}, {15.5f, 32},  {15.999f, 32}, {16, 33},      {17.5f, 34},
      {-3.99f, -1}, {-4, -1},    {-4.01f, -2}, {-16, -33},    {-16.1f, -34}, {-17, -34}};
  for (const auto& [x, bin] : cases) {
    std::vector<uint32_t> counts(101);
    generic().histogram_f32(&x, 1, bins, -50, counts.data());
    EXPECT_EQ(counts[static_cast<size_t>(50 + bin)], 1u) << x;
  }
}

TEST_P(ElementwiseKernel, MinMaxEqualsGeneric) {
  for (const size_t n : kLengths) {
    for (const bool odd : {false, true}) {
      const std::vector<float> x = odd ? random.odd_f32(n) : random.f32(n);
      for (const q::MinMaxF32& before : {q::MinMaxF32{kInf, -kInf, 0}, q::MinMaxF32{-1, 1, 7}}) {
        q::MinMaxF32 expected = before, actual = before;
        generic().minmax_f32(x.data(), n, &expected);
        row->minmax_f32(x.data(), n, &actual);
        EXPECT_TRUE(same(expected.lo, actual.lo)) << n << ": " << actual.lo << ", wanted " << expected.lo;
        EXPECT_TRUE(same(expected.hi, actual.hi)) << n << ": " << actual.hi << ", wanted " << expected.hi;
        EXPECT_EQ(expected.non_finite, actual.non_finite) << n;
      }
    }
  }
}

TEST_P(ElementwiseKernel, MinMaxOfManyValuesEqualsGenericWhereverNanStands) {
  for (const size_t n : kLongLengths) {
    std::vector<float> x = random.f32(n);
    for (int rounds = 0; rounds < 4; ++rounds) {
      q::MinMaxF32 expected = {kInf, -kInf, 0}, actual = expected;
      generic().minmax_f32(x.data(), n, &expected);
      row->minmax_f32(x.data(), n, &actual);
      EXPECT_TRUE(same(expected.lo, actual.lo)) << n << ": " << actual.lo << ", wanted " << expected.lo;
      EXPECT_TRUE(same(expected.hi, actual.hi)) << n << ": " << actual.hi << ", wanted " << expected.hi;
      EXPECT_EQ(expected.non_finite, actual.non_finite) << n;
      x[static_cast<size_t>(random.between(0, static_cast<int64_t>(n) - 1))] = rounds % 2 ? kNan : -kInf;
    }
  }
}

TEST_P(ElementwiseKernel, MinMaxOfZerosIsPositiveZero) {
  const std::vector<float> x(33, -0.f);
  q::MinMaxF32 range = {kInf, -kInf, 0};
  row->minmax_f32(x.data(), x.size(), &range);
  EXPECT_TRUE(same(range.lo, 0.f));
  EXPECT_TRUE(same(range.hi, 0.f));
}

// Counts of bins -2048 … 2047.
std::vector<uint32_t> counted(const q::Kernels& kernels, const std::vector<float>& x,
                              const q::BinsF32& bins) {
  std::vector<uint32_t> counts(4096);
  kernels.histogram_f32(x.data(), x.size(), bins, -2048, counts.data());
  return counts;
}

TEST_P(ElementwiseKernel, HistogramEqualsGeneric) {
  for (const size_t n : kLengths) {
    std::vector<float> x = random.f32(n);
    for (float& value : x) {
      if (random.between(0, 4) == 0)
        value = std::vector<float>{0, -0.f, kNan, kInf, -kInf, -kTiny}[random.between(0, 5)];
    }
    for (const int exponent : {0, -6, 10, 120})
      for (const q::BinsF32& bins : {q::even_bins(exponent), q::split_bins(exponent)})
        EXPECT_EQ(counted(generic(), x, bins), counted(*row, x, bins)) << n << " values, " << exponent;
  }
}

// How often zeros are among the values decides how rows count them.
TEST_P(ElementwiseKernel, HistogramOfManyValuesEqualsGenericForAnyShareOfZeros) {
  for (const size_t n : kLongLengths) {
    for (const float share : {0.f, 0.5f, 0.98f, 1.f}) {
      std::vector<float> x = random.f32(n);
      for (float& value : x) {
        if (random.real(0, 1) < share) value = 0;
        if (random.between(0, 99) == 0) value = kNan;
      }
      for (const q::BinsF32& bins : {q::even_bins(-6), q::split_bins(-6)})
        EXPECT_EQ(counted(generic(), x, bins), counted(*row, x, bins)) << n << " values, zeros " << share;
    }
  }
}

TEST_P(ElementwiseKernel, HistogramOfEveryMagnitudeEqualsGeneric) {
  std::vector<float> x(3000);
  for (float& value : x) value = std::ldexp(random.real(-1, 1), static_cast<int>(random.between(-45, 10)));
  for (float edge = 0x1p-40f; edge < 0x1p10f; edge *= 2)
    for (const float value : {edge, std::nextafter(edge, 0.f), edge * 1.0625f}) {
      x.push_back(value);
      x.push_back(-value);
    }
  EXPECT_EQ(counted(generic(), x, q::split_bins(0)), counted(*row, x, q::split_bins(0)));
}

TEST_P(ElementwiseKernel, HistogramKeepsToItsBinsWhenZeroHasNone) {
  const size_t n = 1000;
  for (const float base : {-4000.f, 4000.f}) {
    std::vector<float> x = random.f32(n);
    for (float& value : x) value += base;
    x[7] = kNan;
    const int32_t first = static_cast<int32_t>(base) - 4;
    Output<uint32_t> expected(9), actual(9);
    generic().histogram_f32(x.data(), n, q::even_bins(0), first, expected.data());
    row->histogram_f32(x.data(), n, q::even_bins(0), first, actual.data());
    EXPECT_EQ(expected.elements, actual.elements);
  }
}

TEST_P(ElementwiseKernel, HistogramOfDenormalsEqualsGenericWhateverTheWidth) {
  std::vector<float> x(700);
  for (float& value : x) value = kTiny * static_cast<float>(random.between(-4096, 4096));
  for (const int exponent : {-126, -100, 0, 10, 116})
    for (const q::BinsF32& bins : {q::even_bins(exponent), q::split_bins(exponent)})
      EXPECT_EQ(counted(generic(), x, bins), counted(*row, x, bins)) << exponent;
}

TEST_P(ElementwiseKernel, HistogramReachesBinsFarFromZero) {
  const std::vector<float> x = {0x1p60f, 0x1.000002p60f, -0x1p60f};
  std::vector<uint32_t> counts(2);
  row->histogram_f32(x.data(), 2, q::even_bins(37), 1 << 23, counts.data());
  EXPECT_EQ(counts, (std::vector<uint32_t>{1, 1}));
  row->histogram_f32(x.data() + 2, 1, q::even_bins(37), -(1 << 23), counts.data());
  EXPECT_EQ(counts, (std::vector<uint32_t>{2, 1}));
}

}  // namespace
