// The kernels: generic against numbers worked out by hand, every other row against generic, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "seed.h"

namespace {

using q::Isa;
using q::Kernels;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr size_t kGuard = 80;  // elements behind an output: more than a vector of bytes

// Equal bits, but one NaN is as good as another: which of two a sum keeps is the processor's choice.
bool same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}
bool same(uint8_t a, uint8_t b) { return a == b; }

// An output of n elements between marks that must survive.
template <typename T>
struct Output {
  static constexpr T kMark = T(77);
  explicit Output(size_t count) : n(count), elements(count + kGuard, kMark) {}
  T* data() { return elements.data(); }

  size_t n;
  std::vector<T> elements;
};

template <typename T>
void expect_same(const Output<T>& expected, const Output<T>& actual) {
  ASSERT_EQ(expected.elements.size(), actual.elements.size());
  for (size_t i = 0; i < actual.elements.size(); ++i) {
    ASSERT_TRUE(same(expected.elements[i], actual.elements[i]))
        << "element " << i << " of " << actual.n << ": " << +actual.elements[i] << ", wanted "
        << +expected.elements[i];
    if (i >= actual.n) {
      ASSERT_EQ(actual.elements[i], Output<T>::kMark) << "behind the output of " << actual.n;
    }
  }
}

// Random values, and as many that kernels get wrong.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t between(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(engine_); }
  float real(float lo, float hi) { return std::uniform_real_distribution<float>(lo, hi)(engine_); }

  // Padded with what kernels may read and must not use.
  std::vector<uint8_t> u8(size_t n) {
    std::vector<uint8_t> x(n + 64);
    for (uint8_t& value : x) value = static_cast<uint8_t>(between(0, 3) ? between(0, 255) : 255);
    return x;
  }
  std::vector<int8_t> i8(size_t n) {
    std::vector<int8_t> x(n);
    for (int8_t& value : x) value = static_cast<int8_t>(between(0, 3) ? between(-128, 127) : -128);
    return x;
  }
  std::vector<float> f32(size_t n) {
    std::vector<float> x(n);
    for (float& value : x) value = real(-4, 4);
    return x;
  }
  std::vector<float> odd_f32(size_t n) {
    static const float kOdd[] = {0.f,   -0.f,   kInf, -kInf, kNan,  -kNan,  kTiny, -kTiny, 1e-40f,
                                 1e30f, -3e38f, 0.5f, 1.5f,  -2.5f, 127.5f, 2e9f,  -3e9f,  8388609.f};
    std::vector<float> x = f32(n);
    for (float& value : x) {
      if (between(0, 2) == 0) value = kOdd[between(0, std::size(kOdd) - 1)];
    }
    return x;
  }
  std::vector<int32_t> biases(size_t n) {
    std::vector<int32_t> x(n);
    for (int32_t& value : x) value = static_cast<int32_t>(between(-200000, 200000));
    return x;
  }
  std::vector<float> multipliers(size_t n) {
    std::vector<float> x(n);
    for (float& value : x)
      value = between(0, 1) ? real(1e-5f, 1e-2f) : 0.5f;  // 0.5: every second sum is a tie
    return x;
  }
  q::ToU8 to_u8(float inverse_scale) {
    const int32_t lo = static_cast<int32_t>(between(0, 3) ? 0 : between(0, 128));
    const int32_t hi = static_cast<int32_t>(between(0, 3) ? 255 : between(lo, 255));
    return {inverse_scale, static_cast<int32_t>(between(0, 255)), lo, hi};
  }

 private:
  std::mt19937_64 engine_;
};

const Kernels& generic() { return *q::kernels_up_to("generic"); }

std::string isa_name(const testing::TestParamInfo<const Isa*>& info) { return info.param->name; }

// Every row but generic is compared with generic; generic is held against itself for its guards.
class KernelRow : public testing::TestWithParam<const Isa*> {
 protected:
  void SetUp() override {
    if (!q::supported(*GetParam())) GTEST_SKIP() << "this machine cannot run " << GetParam()->name;
    row = q::kernels_up_to(GetParam()->name);
    ASSERT_NE(row, nullptr);
  }

  const uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  Random random{seed};
  const Kernels* row = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Isas, KernelRow, testing::ValuesIn(q::isas().begin(), q::isas().end()), isa_name);

// Nothing; one; around vectors of 16 and 32 bytes and of 64; around two of these; more than that with a tail.
const size_t kLengths[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 127, 128, 129, 200, 321};

// ---- matrix products ----

// rows x columns outputs, each the sum over taps x k products; the matrices in plain order.
struct Product {
  size_t rows, columns, taps, k;
};

// A whole product out of a row's tiles. a: [rows][taps][k + 3] (the 3 are read but not used), b:
// [taps][k][columns].
Output<uint8_t> multiply(const Kernels& kernels, const Product& p, const std::vector<uint8_t>& a,
                         const std::vector<int8_t>& b, const q::U8Output& out) {
  const size_t mr = kernels.gemm_u8i8_mr, nr = kernels.gemm_u8i8_nr, groups = (p.k + 3) / 4;
  const size_t stride = p.columns + 3;
  Output<uint8_t> c(p.rows * stride);
  for (size_t column = 0; column < p.columns; column += nr) {
    const size_t columns = std::min(nr, p.columns - column);
    std::vector<int8_t> packed(p.taps * groups * nr * 4);
    for (size_t t = 0; t < p.taps; ++t) {
      for (size_t i = 0; i < p.k; ++i) {
        for (size_t j = 0; j < columns; ++j) {
          packed[((t * groups + i / 4) * nr + j) * 4 + i % 4] = b[(t * p.k + i) * p.columns + column + j];
        }
      }
    }
    std::vector<int32_t> bias(nr);
    std::vector<float> multiplier(nr);
    std::copy_n(out.bias + column, columns, bias.begin());
    std::copy_n(out.multiplier + column, columns, multiplier.begin());
    for (size_t row = 0; row < p.rows; row += mr) {
      std::vector<const uint8_t*> pointers;
      for (size_t t = 0; t < p.taps; ++t) {
        for (size_t r = 0; r < mr; ++r) {
          pointers.push_back(a.data() + (std::min(row + r, p.rows - 1) * p.taps + t) * (p.k + 3));
        }
      }
      kernels.gemm_u8i8({.rows = std::min(mr, p.rows - row),
                         .columns = columns,
                         .taps = p.taps,
                         .k = p.k,
                         .a = pointers.data(),
                         .b = packed.data(),
                         .out = {bias.data(), multiplier.data(), out.zero_point, out.lo, out.hi},
                         .c = c.data() + row * stride + column,
                         .c_stride = stride});
    }
  }
  return c;
}

// The same in floats. a: [rows][taps][k], b: [taps][k][columns].
Output<float> multiply(const Kernels& kernels, const Product& p, const std::vector<float>& a,
                       const std::vector<float>& b, const q::F32Output& out) {
  const size_t mr = kernels.gemm_f32_mr, nr = kernels.gemm_f32_nr, stride = p.columns + 3;
  Output<float> c(p.rows * stride);
  for (size_t column = 0; column < p.columns; column += nr) {
    const size_t columns = std::min(nr, p.columns - column);
    std::vector<float> packed(p.taps * p.k * nr), bias(nr);
    for (size_t i = 0; i < p.taps * p.k; ++i) {
      std::copy_n(b.begin() + i * p.columns + column, columns, packed.begin() + i * nr);
    }
    std::copy_n(out.bias + column, columns, bias.begin());
    for (size_t row = 0; row < p.rows; row += mr) {
      std::vector<const float*> pointers;
      for (size_t t = 0; t < p.taps; ++t) {
        for (size_t r = 0; r < mr; ++r) {
          pointers.push_back(a.data() + (std::min(row + r, p.rows - 1) * p.taps + t) * p.k);
        }
      }
      kernels.gemm_f32({.rows = std::min(mr, p.rows - row),
                        .columns = columns,
                        .taps = p.taps,
                        .k = p.k,
                        .a = pointers.data(),
                        .b = packed.data(),
                        .out = {bias.data(), out.lo, out.hi},
                        .c = c.data() + row * stride + column,
                        .c_stride = stride});
    }
  }
  return c;
}

// Every height of a tile with a full width; every width around vectors with an odd height; depths around
// groups of 4.
std::vector<Product> products(size_t mr, size_t nr) {
  std::vector<Product> all;
  for (size_t rows = 1; rows <= mr + 1; ++rows) all.push_back({rows, nr, 2, 9});
  for (const size_t columns : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49})
    all.push_back({3, columns, 1, 5});
  for (const size_t columns : {nr - 1, nr, nr + 1, 2 * nr + 3}) all.push_back({mr + 1, columns, 3, 6});
  for (const size_t k : {1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 257}) all.push_back({mr, nr - 1, 1, k});
  for (const size_t taps : {2, 3, 9, 25}) all.push_back({mr, nr, taps, 3});
  return all;
}

TEST(GenericKernel, GemmMultipliesAddsAndRounds) {
  // Row 0: 1*1 + 2*2 + 3*3 = 14, row 1: 4*1 + 5*2 + 6*3 = 32; second column negated.
  const std::vector<uint8_t> a = {1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9, 9};
  const std::vector<int8_t> b = {1, -1, 2, -2, 3, -3};
  const int32_t bias[] = {1, 1};
  const float multiplier[] = {0.5f, 0.5f};
  Output<uint8_t> c = multiply(generic(), {2, 2, 1, 3}, a, b, {bias, multiplier, 10, 0, 255});
  EXPECT_EQ(c.elements[0], 18);  // 10 + rint(7.5): the tie goes to even
  EXPECT_EQ(c.elements[1], 4);   // 10 + rint(-6.5) = 10 - 6
  EXPECT_EQ(c.elements[5], 26);  // 10 + rint(16.5) = 10 + 16
  EXPECT_EQ(c.elements[6], 0);   // 10 + rint(-15.5) = 10 - 16, below the range
}

TEST(GenericKernel, GemmClampsToTheLimitsGiven) {
  const int32_t bias[] = {0};
  const float multiplier[] = {1};
  const std::vector<int8_t> b = {1};
  EXPECT_EQ(multiply(generic(), {1, 1, 1, 1}, {200, 0, 0, 0}, b, {bias, multiplier, 3, 20, 127}).elements[0],
            127);
  EXPECT_EQ(multiply(generic(), {1, 1, 1, 1}, {5, 0, 0, 0}, b, {bias, multiplier, 3, 20, 127}).elements[0],
            20);
}

TEST(GenericKernel, FloatGemmFusesEachStep) {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, of which binary32 would round the last term away.
  const float bias[] = {-(1 + 0x1p-11f)};
  const std::vector<float> a = {1 + 0x1p-12f}, b = {1 + 0x1p-12f};
  EXPECT_EQ(multiply(generic(), {1, 1, 1, 1}, a, b, q::F32Output{bias, -kInf, kInf}).elements[0], 0x1p-24f);
}

TEST(GenericKernel, FloatGemmClampsAndKeepsNan) {
  const float bias[] = {0};
  const std::vector<float> one = {1};
  EXPECT_EQ(
      multiply(generic(), {1, 1, 1, 1}, std::vector<float>{-2}, one, q::F32Output{bias, 0, 6}).elements[0],
      0);
  EXPECT_EQ(
      multiply(generic(), {1, 1, 1, 1}, std::vector<float>{9}, one, q::F32Output{bias, 0, 6}).elements[0], 6);
  EXPECT_TRUE(
      std::isnan(multiply(generic(), {1, 1, 1, 1}, std::vector<float>{kNan}, one, q::F32Output{bias, 0, 6})
                     .elements[0]));
}

TEST_P(KernelRow, GemmU8I8EqualsGeneric) {
  for (const Product& p : products(row->gemm_u8i8_mr, row->gemm_u8i8_nr)) {
    SCOPED_TRACE(testing::Message() << p.rows << " x " << p.columns << ", " << p.taps << " taps of " << p.k);
    const std::vector<uint8_t> a = random.u8(p.rows * p.taps * (p.k + 3));
    const std::vector<int8_t> b = random.i8(p.taps * p.k * p.columns);
    const std::vector<int32_t> bias = random.biases(p.columns);
    const std::vector<float> multiplier = random.multipliers(p.columns);
    const q::ToU8 to = random.to_u8(1);
    const q::U8Output out = {bias.data(), multiplier.data(), to.zero_point, to.lo, to.hi};
    expect_same(multiply(generic(), p, a, b, out), multiply(*row, p, a, b, out));
  }
}

TEST_P(KernelRow, GemmU8I8DoesNotSaturateInside) {
  const Product p = {row->gemm_u8i8_mr, row->gemm_u8i8_nr, 3, 64};
  const std::vector<uint8_t> a(p.rows * p.taps * (p.k + 3), 255);
  const std::vector<int8_t> b(p.taps * p.k * p.columns, -128);
  const std::vector<int32_t> bias(p.columns, 255 * 128 * 3 * 64 + 17);
  const std::vector<float> multiplier(p.columns, 1);
  const Output<uint8_t> c = multiply(*row, p, a, b, {bias.data(), multiplier.data(), 0, 0, 255});
  EXPECT_EQ(c.elements[0], 17);
  expect_same(multiply(generic(), p, a, b, {bias.data(), multiplier.data(), 0, 0, 255}), c);
}

TEST_P(KernelRow, GemmU8I8WrapsLikeGenericBeyondInt32) {
  const Product p = {2, 5, 1, 4};
  const std::vector<uint8_t> a(p.rows * (p.k + 3), 255);
  const std::vector<int8_t> b(p.k * p.columns, 127);
  const std::vector<int32_t> bias(p.columns, std::numeric_limits<int32_t>::max());
  const std::vector<float> multiplier(p.columns, 1e-8f);
  const q::U8Output out = {bias.data(), multiplier.data(), 128, 0, 255};
  expect_same(multiply(generic(), p, a, b, out), multiply(*row, p, a, b, out));
}

TEST_P(KernelRow, GemmF32EqualsGeneric) {
  for (const Product& p : products(row->gemm_f32_mr, row->gemm_f32_nr)) {
    SCOPED_TRACE(testing::Message() << p.rows << " x " << p.columns << ", " << p.taps << " taps of " << p.k);
    const bool odd = random.between(0, 1);
    const std::vector<float> a =
        odd ? random.odd_f32(p.rows * p.taps * p.k) : random.f32(p.rows * p.taps * p.k);
    const std::vector<float> b = random.f32(p.taps * p.k * p.columns), bias = random.f32(p.columns);
    const q::F32Output out = odd ? q::F32Output{bias.data(), 0, 6} : q::F32Output{bias.data(), -kInf, kInf};
    expect_same(multiply(generic(), p, a, b, out), multiply(*row, p, a, b, out));
  }
}

// ---- depthwise ----

// Rows of a window: `taps` pointers at unaligned places of x.
template <typename T>
std::vector<const T*> window(const std::vector<T>& x, size_t taps, size_t channels) {
  std::vector<const T*> rows;
  for (size_t t = 0; t < taps; ++t) rows.push_back(x.data() + t * (channels + 1));
  return rows;
}

constexpr size_t kTaps[] = {1, 2, 3, 4, 5, 8, 9, 25};

TEST(GenericKernel, DepthwiseKeepsChannelsApart) {
  const uint8_t row0[] = {1, 2}, row1[] = {3, 4};
  const uint8_t* rows[] = {row0, row1};
  const int8_t weights[] = {10, -1, 20, -2};
  const int32_t bias[] = {1, 2};
  const float multiplier[] = {1, 2};
  uint8_t c[2];
  generic().depthwise_u8i8({2, 2, rows, weights, {bias, multiplier, 50, 0, 255}, c});
  EXPECT_EQ(c[0], 50 + 1 * 10 + 3 * 20 + 1);
  EXPECT_EQ(c[1], 50 + 2 * (2 * -1 + 4 * -2 + 2));
}

TEST(GenericKernel, FloatDepthwiseFusesEachStep) {
  const float row0[] = {1 + 0x1p-12f};
  const float* rows[] = {row0};
  const float weights[] = {1 + 0x1p-12f}, bias[] = {-(1 + 0x1p-11f)};
  float c[1];
  generic().depthwise_f32({1, 1, rows, weights, {bias, -kInf, kInf}, c});
  EXPECT_EQ(c[0], 0x1p-24f);
}

TEST_P(KernelRow, DepthwiseU8I8EqualsGeneric) {
  for (const size_t channels : kLengths) {
    for (const size_t taps : kTaps) {
      SCOPED_TRACE(testing::Message() << channels << " channels, " << taps << " taps");
      const std::vector<uint8_t> x = random.u8(taps * (channels + 1));
      const std::vector<const uint8_t*> rows = window(x, taps, channels);
      const std::vector<int8_t> weights = random.i8(taps * channels);
      const std::vector<int32_t> bias = random.biases(channels);
      const std::vector<float> multiplier = random.multipliers(channels);
      const q::ToU8 to = random.to_u8(1);
      Output<uint8_t> expected(channels), actual(channels);
      q::DepthwiseU8I8 call = {channels, taps, rows.data(), weights.data(), {}, expected.data()};
      call.out = {bias.data(), multiplier.data(), to.zero_point, to.lo, to.hi};
      generic().depthwise_u8i8(call);
      call.c = actual.data();
      row->depthwise_u8i8(call);
      expect_same(expected, actual);
    }
  }
}

TEST_P(KernelRow, DepthwiseU8I8DoesNotSaturateInside) {
  for (const size_t taps : kTaps) {
    const std::vector<uint8_t> x(taps * 71 + 64, 255);
    const std::vector<const uint8_t*> rows = window(x, taps, 70);
    const std::vector<int8_t> weights(taps * 70, -128);
    const std::vector<int32_t> bias(70, static_cast<int32_t>(255 * 128 * taps) + 9);
    const std::vector<float> multiplier(70, 1);
    Output<uint8_t> c(70);
    row->depthwise_u8i8(
        {70, taps, rows.data(), weights.data(), {bias.data(), multiplier.data(), 0, 0, 255}, c.data()});
    for (size_t i = 0; i < 70; ++i) EXPECT_EQ(c.elements[i], 9) << taps << " taps, channel " << i;
  }
}

TEST_P(KernelRow, AMultiplierBeyondBinary32EqualsGeneric) {
  const std::vector<uint8_t> x = {0, 1, 2, 3};
  const uint8_t* rows[] = {x.data()};
  const int8_t weights[] = {1, 1, -1, 0};
  const int32_t bias[] = {0, 0, 0, 0};
  const float multiplier[] = {kInf, kInf, kInf, kNan};
  Output<uint8_t> expected(4), actual(4);
  generic().depthwise_u8i8({4, 1, rows, weights, {bias, multiplier, 9, 5, 250}, expected.data()});
  row->depthwise_u8i8({4, 1, rows, weights, {bias, multiplier, 9, 5, 250}, actual.data()});
  EXPECT_EQ(expected.elements[0], 5);  // 0 * inf
  EXPECT_EQ(expected.elements[1], 250);
  expect_same(expected, actual);
}

TEST_P(KernelRow, DepthwiseF32EqualsGeneric) {
  for (const size_t channels : kLengths) {
    for (const size_t taps : kTaps) {
      SCOPED_TRACE(testing::Message() << channels << " channels, " << taps << " taps");
      const bool odd = random.between(0, 1);
      const std::vector<float> x =
          odd ? random.odd_f32(taps * (channels + 1)) : random.f32(taps * (channels + 1));
      const std::vector<const float*> rows = window(x, taps, channels);
      const std::vector<float> weights = random.f32(taps * channels), bias = random.f32(channels);
      Output<float> expected(channels), actual(channels);
      q::DepthwiseF32 call = {channels,       taps, rows.data(), weights.data(), {bias.data(), 0, 6},
                              expected.data()};
      generic().depthwise_f32(call);
      call.c = actual.data();
      row->depthwise_f32(call);
      expect_same(expected, actual);
    }
  }
}

// ---- pools ----

TEST(GenericKernel, MaxTakesTheGreatestOfEachChannel) {
  const uint8_t row0[] = {1, 200}, row1[] = {3, 4};
  const uint8_t* rows[] = {row0, row1};
  uint8_t out[2];
  generic().max_u8(rows, 2, 2, out);
  EXPECT_EQ(out[0], 3);
  EXPECT_EQ(out[1], 200);
}

TEST(GenericKernel, FloatMaxKeepsNanAndTheFirstOfTwoZeros) {
  const float row0[] = {-0.f, kNan, 1, -kInf}, row1[] = {0.f, 2, kNan, -kInf};
  const float* rows[] = {row0, row1};
  float out[4];
  generic().max_f32(rows, 2, 4, out);
  EXPECT_TRUE(same(out[0], -0.f));
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_TRUE(std::isnan(out[2]));
  EXPECT_EQ(out[3], -kInf);
}

TEST(GenericKernel, AverageRoundsAwayFromTheZeroPointToEven) {
  const uint8_t row0[] = {11, 13, 255}, row1[] = {12, 14, 255};
  const uint8_t* rows[] = {row0, row1};
  uint8_t out[3];
  generic().average_u8(rows, 2, 3, 10, 0.5f, out);
  EXPECT_EQ(out[0], 12);   // 10 + rint(1.5)
  EXPECT_EQ(out[1], 14);   // 10 + rint(3.5)
  EXPECT_EQ(out[2], 255);  // 10 + 245
}

TEST(GenericKernel, FloatAverageDividesOnce) {
  const float row0[] = {1}, row1[] = {2}, row2[] = {4};
  const float* rows[] = {row0, row1, row2};
  float out[1];
  generic().average_f32(rows, 3, 1, 3, out);
  EXPECT_EQ(out[0], 7.f / 3);
}

TEST_P(KernelRow, PoolsOfU8EqualGeneric) {
  for (const size_t channels : kLengths) {
    for (const size_t taps : {1, 2, 4, 9, 49}) {
      SCOPED_TRACE(testing::Message() << channels << " channels, " << taps << " taps");
      const std::vector<uint8_t> x = random.u8(taps * (channels + 1));
      const std::vector<const uint8_t*> rows = window(x, taps, channels);
      Output<uint8_t> greatest(channels), greatest_here(channels), average(channels), average_here(channels);
      generic().max_u8(rows.data(), taps, channels, greatest.data());
      row->max_u8(rows.data(), taps, channels, greatest_here.data());
      expect_same(greatest, greatest_here);
      const int32_t z = static_cast<int32_t>(random.between(0, 255));
      const float multiplier = random.between(0, 1) ? 1.f / static_cast<float>(taps) : 0.5f;
      generic().average_u8(rows.data(), taps, channels, z, multiplier, average.data());
      row->average_u8(rows.data(), taps, channels, z, multiplier, average_here.data());
      expect_same(average, average_here);
    }
  }
}

TEST_P(KernelRow, PoolsOfF32EqualGeneric) {
  for (const size_t channels : kLengths) {
    for (const size_t taps : {1, 2, 4, 9, 49}) {
      SCOPED_TRACE(testing::Message() << channels << " channels, " << taps << " taps");
      const bool odd = random.between(0, 1);
      const std::vector<float> x =
          odd ? random.odd_f32(taps * (channels + 1)) : random.f32(taps * (channels + 1));
      const std::vector<const float*> rows = window(x, taps, channels);
      Output<float> greatest(channels), greatest_here(channels), average(channels), average_here(channels);
      generic().max_f32(rows.data(), taps, channels, greatest.data());
      row->max_f32(rows.data(), taps, channels, greatest_here.data());
      expect_same(greatest, greatest_here);
      generic().average_f32(rows.data(), taps, channels, static_cast<float>(taps), average.data());
      row->average_f32(rows.data(), taps, channels, static_cast<float>(taps), average_here.data());
      expect_same(average, average_here);
    }
  }
}

TEST_P(KernelRow, FloatMaxKeepsTheFirstOfTwoZeros) {
  const float row0[] = {-0.f, 0.f, -0.f}, row1[] = {0.f, -0.f, -0.f};
  const float* rows[] = {row0, row1};
  Output<float> out(3);
  row->max_f32(rows, 2, 3, out.data());
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(same(out.elements[i], row0[i])) << i;
}

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

TEST_P(KernelRow, QuantizeEqualsGeneric) {
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

TEST_P(KernelRow, DequantizeEqualsGeneric) {
  for (const size_t n : kLengths) {
    const std::vector<uint8_t> x = random.u8(n);
    const q::AffineU8 from = {random.real(1e-4f, 1), static_cast<int32_t>(random.between(0, 255))};
    Output<float> expected(n), actual(n);
    generic().dequantize_u8(x.data(), n, from, expected.data());
    row->dequantize_u8(x.data(), n, from, actual.data());
    expect_same(expected, actual);
  }
}

TEST_P(KernelRow, LutFindsEveryEntry) {
  const std::vector<uint8_t> table = random.u8(256 - 64);  // 256 with its padding
  std::vector<uint8_t> all(256);
  for (size_t i = 0; i < 256; ++i) all[i] = static_cast<uint8_t>(i);
  Output<uint8_t> out(256);
  row->lut_u8(all.data(), 256, table.data(), out.data());
  EXPECT_TRUE(std::equal(table.begin(), table.end(), out.elements.begin()));
}

TEST_P(KernelRow, LutEqualsGeneric) {
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

TEST_P(KernelRow, AddAndMulOfU8EqualGenericForAllPairs) {
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

TEST_P(KernelRow, AddOfU8WhoseRealsOverflowEqualsGeneric) {
  const Pairs pairs;
  const size_t n = pairs.a.size();
  Output<uint8_t> expected(n), actual(n);
  const q::AffineU8 huge = {3e38f, 128};  // inf - inf among the sums
  generic().add_u8(pairs.a.data(), pairs.b.data(), n, huge, huge, {1e-38f, 7, 0, 255}, expected.data());
  row->add_u8(pairs.a.data(), pairs.b.data(), n, huge, huge, {1e-38f, 7, 0, 255}, actual.data());
  expect_same(expected, actual);
}

TEST_P(KernelRow, AddAndMulOfU8StopAtTheEnd) {
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

TEST_P(KernelRow, AddAndMulOfF32EqualGeneric) {
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

TEST(GenericKernel, HistogramBinsRoundDown) {
  const float x[] = {0, -0.f, 0.49f, 0.5f, -0.01f, -0.5f, -0.51f, kNan, kInf, -kTiny};
  uint32_t counts[4] = {};
  generic().histogram_f32(x, 10, 2, -2, counts);  // bins of 1/2 from -1 on
  EXPECT_EQ(counts[0], 1u);                       // -0.51
  EXPECT_EQ(counts[1], 3u);                       // -0.01, -0.5, -tiny
  EXPECT_EQ(counts[2], 3u);                       // 0, -0, 0.49
  EXPECT_EQ(counts[3], 1u);                       // 0.5
}

TEST(GenericKernel, HistogramTellsTheSignOfValuesThatUnderflow) {
  const float x[] = {-kTiny, kTiny};
  uint32_t counts[2] = {};
  generic().histogram_f32(x, 2, 0x1p-100f, -1, counts);
  EXPECT_EQ(counts[0], 1u);
  EXPECT_EQ(counts[1], 1u);
}

TEST_P(KernelRow, MinMaxEqualsGeneric) {
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

TEST_P(KernelRow, MinMaxOfZerosIsPositiveZero) {
  const std::vector<float> x(33, -0.f);
  q::MinMaxF32 range = {kInf, -kInf, 0};
  row->minmax_f32(x.data(), x.size(), &range);
  EXPECT_TRUE(same(range.lo, 0.f));
  EXPECT_TRUE(same(range.hi, 0.f));
}

TEST_P(KernelRow, HistogramEqualsGeneric) {
  for (const size_t n : kLengths) {
    std::vector<float> x = random.f32(n);
    for (float& value : x) {
      if (random.between(0, 4) == 0)
        value = std::vector<float>{0, -0.f, kNan, kInf, -kInf, -kTiny}[random.between(0, 5)];
    }
    for (const float scale : {1.f, 64.f, 0x1p-10f, 0x1p-120f}) {
      const int64_t first = scale > 1 ? -256 : -4;
      std::vector<uint32_t> expected(513), actual(513);
      generic().histogram_f32(x.data(), n, scale, first, expected.data());
      row->histogram_f32(x.data(), n, scale, first, actual.data());
      EXPECT_EQ(expected, actual) << n << " values, scale " << scale;
    }
  }
}

TEST_P(KernelRow, HistogramReachesBinsFarFromZero) {
  const std::vector<float> x = {0x1p60f, 0x1.000002p60f, -0x1p60f, 0x1p60f,
                                0x1p60f, 0x1p60f,        0x1p60f,  0x1p60f};
  std::vector<uint32_t> counts(2);
  row->histogram_f32(x.data(), 2, 0x1p-37f, int64_t{1} << 23, counts.data());
  EXPECT_EQ(counts, (std::vector<uint32_t>{1, 1}));
  row->histogram_f32(x.data() + 2, 1, 1, -(int64_t{1} << 60), counts.data());
  EXPECT_EQ(counts, (std::vector<uint32_t>{2, 1}));
}

// ---- dispatch ----

// Sets $Q_ISA for as long as it lives.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* value = std::getenv("Q_ISA")) before_ = value;
    set(name);
  }
  ~ForcedIsa() { set(before_.empty() ? nullptr : before_.c_str()); }

 private:
  static void set(const char* value) { value ? setenv("Q_ISA", value, 1) : unsetenv("Q_ISA"); }
  std::string before_;
};

TEST(Dispatch, GenericIsTheFirstRowAndRunsEverywhere) {
  ASSERT_FALSE(q::isas().empty());
  EXPECT_STREQ(q::isas().front()->name, "generic");
  EXPECT_TRUE(q::supported(*q::isas().front()));
}

TEST(Dispatch, EveryRowIsItselfOrRefused) {
  for (const Isa* isa : q::isas()) {
    const Kernels* kernels = q::kernels_up_to(isa->name);
    ASSERT_EQ(kernels != nullptr, q::supported(*isa)) << isa->name;
    if (kernels) {
      EXPECT_STREQ(kernels->name, isa->name);
    }
  }
}

TEST(Dispatch, AnUnknownRowIsRefused) {
  EXPECT_EQ(q::kernels_up_to("avx1024"), nullptr);
  const ForcedIsa forced("avx1024");
  EXPECT_EQ(q::kernels_up_to(""), nullptr);
}

TEST(Dispatch, TheEnvironmentChoosesWhenNothingElseDoes) {
  const ForcedIsa forced("generic");
  EXPECT_EQ(q::kernels_up_to(""), q::kernels_up_to("generic"));
}

TEST(Dispatch, ANameGoesBeforeTheEnvironment) {
  const ForcedIsa forced("avx1024");
  EXPECT_STREQ(q::kernels_up_to("generic")->name, "generic");
}

TEST(Dispatch, TheBestSupportedRowIsTheDefault) {
  const ForcedIsa none(nullptr);
  const char* best = nullptr;
  for (const Isa* isa : q::isas()) {
    if (q::supported(*isa)) best = isa->name;
  }
  ASSERT_NE(q::kernels_up_to(""), nullptr);
  EXPECT_STREQ(q::kernels_up_to("")->name, best);
}

TEST(Dispatch, AnEmptyVariableIsNone) {
  const ForcedIsa empty("");
  EXPECT_NE(q::kernels_up_to(""), nullptr);
}

}  // namespace
