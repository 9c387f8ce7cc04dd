// The kernels that add up: generic against numbers worked out by hand, every other row against generic, bit
// for bit.
#include "kernel_rows.h"

namespace {

using namespace kernel_rows;

class SummingKernel : public KernelRow {};
INSTANTIATE_TEST_SUITE_P(Isas, SummingKernel, testing::ValuesIn(q::isas().begin(), q::isas().end()),
                         isa_name);

// ---- matrix products ----

// rows x columns outputs, each the sum over taps x k products; the matrices in plain order.
struct Product {
  size_t rows, columns, taps, k;
};

// The values of columns from `first` on, and zeros, as many as a panel has.
template <typename T>
std::vector<T> panel_of(const T* values, size_t first, size_t columns, size_t nr) {
  std::vector<T> out(nr);
  std::copy_n(values + first, columns, out.begin());
  return out;
}

// A whole product out of a row's panels. a: [rows][taps][k + 3] (the 3 are read but not used), b:
// [taps][k][columns]. run(call, column) does a panel, whose output begins at that column.
template <typename Call, typename Run>
void for_panels(const Kernels& kernels, const Product& p, const std::vector<uint8_t>& a,
                const std::vector<int8_t>& b, const Run& run) {
  const size_t mr = kernels.gemm_u8i8_mr, nr = kernels.gemm_u8i8_nr, groups = (p.k + 3) / 4;
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
    std::vector<const uint8_t*> pointers;
    for (size_t row = 0; row < p.rows; row += mr) {
      for (size_t t = 0; t < p.taps; ++t) {
        for (size_t r = row; r < row + mr; ++r)
          pointers.push_back(r < p.rows ? a.data() + (r * p.taps + t) * (p.k + 3) : nullptr);
      }
    }
    Call call{};
    call.rows = p.rows;
    call.columns = columns;
    call.taps = p.taps;
    call.k = p.k;
    call.a = pointers.data();
    call.b = packed.data();
    run(call, column);
  }
}

Output<uint8_t> multiply(const Kernels& kernels, const Product& p, const std::vector<uint8_t>& a,
                         const std::vector<int8_t>& b, const q::U8Output& out,
                         const int32_t* row_bias = nullptr) {
  Output<uint8_t> c(p.rows * (p.columns + 3));
  for_panels<q::GemmU8I8>(kernels, p, a, b, [&](q::GemmU8I8& call, size_t column) {
    const auto bias = panel_of(out.bias, column, call.columns, kernels.gemm_u8i8_nr);
    const auto multiplier = panel_of(out.multiplier, column, call.columns, kernels.gemm_u8i8_nr);
    call.out = {bias.data(), multiplier.data(), out.zero_point, out.lo, out.hi};
    call.c = c.data() + column;
    call.c_stride = p.columns + 3;
    call.row_bias = row_bias;
    kernels.gemm_u8i8(call);
  });
  return c;
}

Output<float> multiply(const Kernels& kernels, const Product& p, const std::vector<uint8_t>& a,
                       const std::vector<int8_t>& b, const q::RealOutput& out,
                       const int32_t* row_bias = nullptr) {
  Output<float> c(p.rows * (p.columns + 3));
  for_panels<q::GemmU8I8Real>(kernels, p, a, b, [&](q::GemmU8I8Real& call, size_t column) {
    const auto bias = panel_of(out.bias, column, call.columns, kernels.gemm_u8i8_nr);
    const auto multiplier = panel_of(out.multiplier, column, call.columns, kernels.gemm_u8i8_nr);
    const auto offset = panel_of(out.offset, column, call.columns, kernels.gemm_u8i8_nr);
    call.out = {bias.data(), multiplier.data(), offset.data()};
    call.c = c.data() + column;
    call.c_stride = p.columns + 3;
    call.row_bias = row_bias;
    kernels.gemm_u8i8_real(call);
  });
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
    std::vector<const float*> pointers;
    for (size_t row = 0; row < p.rows; row += mr) {
      for (size_t t = 0; t < p.taps; ++t) {
        for (size_t r = row; r < row + mr; ++r)
          pointers.push_back(r < p.rows ? a.data() + (r * p.taps + t) * p.k : nullptr);
      }
    }
    kernels.gemm_f32({.rows = p.rows,
                      .columns = columns,
                      .taps = p.taps,
                      .k = p.k,
                      .a = pointers.data(),
                      .b = packed.data(),
                      .out = {bias.data(), out.lo, out.hi},
                      .c = c.data() + column,
                      .c_stride = stride});
  }
  return c;
}

// Every height up to two tiles with a full width; every width around vectors with an odd height; depths
// around groups of 4.
std::vector<Product> products(size_t mr, size_t nr) {
  std::vector<Product> all;
  for (size_t rows = 1; rows <= 2 * mr + 1; ++rows) all.push_back({rows, nr, 2, 9});
  for (const size_t columns : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49})
    all.push_back({3, columns, 1, 5});
  for (const size_t columns : {nr - 1, nr, nr + 1, 2 * nr + 3}) all.push_back({mr + 1, columns, 3, 6});
  for (const size_t k : {1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 257}) all.push_back({mr, nr - 1, 1, k});
  for (const size_t taps : {2, 3, 9, 25}) all.push_back({mr, nr, taps, 3});
  // Deeper, and longer, than what a kernel widens at a time; a tap lies across the border.
  all.push_back({mr + 1, nr, 9, 37});
  all.push_back({131, 20, 2, 9});
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

TEST(GenericKernel, GemmMayGiveReals) {
  const std::vector<uint8_t> a = {1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9, 9};
  const std::vector<int8_t> b = {1, -1, 2, -2, 3, -3};  // sums as above: 14 and 32, and negated
  const int32_t bias[] = {1, 2};
  const float multiplier[] = {0.5f, 0.25f}, offset[] = {100, -100};
  const Output<float> c = multiply(generic(), {2, 2, 1, 3}, a, b, q::RealOutput{bias, multiplier, offset});
  EXPECT_EQ(c.elements[0], 107.5f);
  EXPECT_EQ(c.elements[1], -103);
  EXPECT_EQ(c.elements[5], 116.5f);
  EXPECT_EQ(c.elements[6], -107.5f);
}

TEST(GenericKernel, GemmRoundsTheProductBeforeItAddsTheOffset) {
  // (1 + 2^-12)^2 again: 4097 * (1 + 2^-12) = 4098 + 2^-12, of which binary32 keeps 4098.
  const int32_t bias[] = {4097};
  const float multiplier[] = {1 + 0x1p-12f}, offset[] = {-4098};
  EXPECT_EQ(multiply(generic(), {1, 1, 1, 1}, {0, 0, 0, 0}, {0}, q::RealOutput{bias, multiplier, offset})
                .elements[0],
            0);
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

TEST_P(SummingKernel, GemmU8I8EqualsGeneric) {
  for (const Product& p : products(row->gemm_u8i8_mr, row->gemm_u8i8_nr)) {
    SCOPED_TRACE(testing::Message() << p.rows << " x " << p.columns << ", " << p.taps << " taps of " << p.k);
    const std::vector<uint8_t> a = random.u8(p.rows * p.taps * (p.k + 3));
    const std::vector<int8_t> b = random.i8(p.taps * p.k * p.columns);
    const std::vector<int32_t> bias = random.biases(p.columns);
    const std::vector<float> multiplier = random.multipliers(p.columns);
    const q::ToU8 to = random.to_u8(1);
    const q::U8Output out = {bias.data(), multiplier.data(), to.zero_point, to.lo, to.hi};
    expect_same(multiply(generic(), p, a, b, out), multiply(*row, p, a, b, out));
    const std::vector<int32_t> row_bias = random.biases(p.rows);
    expect_same(multiply(generic(), p, a, b, out, row_bias.data()),
                multiply(*row, p, a, b, out, row_bias.data()));
  }
}

TEST(GenericKernel, GemmAddsABiasToEveryRow) {
  // Both rows are 1 * 1 + 2 * 2 = 5.
  const std::vector<uint8_t> a = {1, 2, 9, 9, 9, 1, 2, 9, 9, 9};
  const int32_t bias[] = {1}, row_bias[] = {10, -6};
  const float multiplier[] = {1};
  const Output<uint8_t> c =
      multiply(generic(), {2, 1, 1, 2}, a, {1, 2}, {bias, multiplier, 3, 0, 255}, row_bias);
  EXPECT_EQ(c.elements[0], 19);
  EXPECT_EQ(c.elements[4], 3);
  const float offset[] = {0.5f};
  const Output<float> reals =
      multiply(generic(), {2, 1, 1, 2}, a, {1, 2}, q::RealOutput{bias, multiplier, offset}, row_bias);
  EXPECT_EQ(reals.elements[0], 16.5f);
  EXPECT_EQ(reals.elements[4], 0.5f);
}

TEST_P(SummingKernel, GemmU8I8RealEqualsGeneric) {
  for (const Product& p : products(row->gemm_u8i8_mr, row->gemm_u8i8_nr)) {
    SCOPED_TRACE(testing::Message() << p.rows << " x " << p.columns << ", " << p.taps << " taps of " << p.k);
    const std::vector<uint8_t> a = random.u8(p.rows * p.taps * (p.k + 3));
    const std::vector<int8_t> b = random.i8(p.taps * p.k * p.columns);
    const std::vector<int32_t> bias = random.biases(p.columns);
    const std::vector<float> multiplier = random.multipliers(p.columns), offset = random.f32(p.columns);
    const q::RealOutput out = {bias.data(), multiplier.data(), offset.data()};
    expect_same(multiply(generic(), p, a, b, out), multiply(*row, p, a, b, out));
    const std::vector<int32_t> row_bias = random.biases(p.rows);
    expect_same(multiply(generic(), p, a, b, out, row_bias.data()),
                multiply(*row, p, a, b, out, row_bias.data()));
  }
}

TEST_P(SummingKernel, GemmU8I8DoesNotSaturateInside) {
  const Product p = {row->gemm_u8i8_mr, row->gemm_u8i8_nr, 3, 64};
  const std::vector<uint8_t> a(p.rows * p.taps * (p.k + 3), 255);
  const std::vector<int8_t> b(p.taps * p.k * p.columns, -128);
  const std::vector<int32_t> bias(p.columns, 255 * 128 * 3 * 64 + 17);
  const std::vector<float> multiplier(p.columns, 1);
  const Output<uint8_t> c = multiply(*row, p, a, b, {bias.data(), multiplier.data(), 0, 0, 255});
  EXPECT_EQ(c.elements[0], 17);
  expect_same(multiply(generic(), p, a, b, {bias.data(), multiplier.data(), 0, 0, 255}), c);
}

TEST_P(SummingKernel, GemmU8I8WrapsLikeGenericBeyondInt32) {
  const Product p = {2, 5, 1, 4};
  const std::vector<uint8_t> a(p.rows * (p.k + 3), 255);
  const std::vector<int8_t> b(p.k * p.columns, 127);
  const std::vector<int32_t> bias(p.columns, std::numeric_limits<int32_t>::max());
  const std::vector<float> multiplier(p.columns, 1e-8f);
  const q::U8Output out = {bias.data(), multiplier.data(), 128, 0, 255};
  expect_same(multiply(generic(), p, a, b, out), multiply(*row, p, a, b, out));
}

TEST_P(SummingKernel, GemmF32EqualsGeneric) {
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

// Channels that the arrays of a depthwise convolution have room for.
size_t padded(size_t channels) {
  return (channels + q::kChannelBlock - 1) / q::kChannelBlock * q::kChannelBlock;
}

// A line of pixels under a window.
struct Line {
  size_t channels, pixels, outer_taps, inner_taps, stride, dilation;

  size_t positions() const { return (pixels - 1) * stride + (inner_taps - 1) * dilation + 1; }
  size_t taps() const { return outer_taps * inner_taps; }
};
std::ostream& operator<<(std::ostream& out, const Line& line) {
  return out << line.channels << " channels, " << line.pixels << " pixels, window " << line.outer_taps << "x"
             << line.inner_taps << ", stride " << line.stride << ", dilation " << line.dilation;
}

// Rows at unaligned places of x.
template <typename T>
std::vector<const T*> rows_in(const std::vector<T>& x, size_t count, size_t channels) {
  std::vector<const T*> rows;
  for (size_t t = 0; t < count; ++t) rows.push_back(x.data() + t * (channels + 1));
  return rows;
}

// All that a call points to but its output.
template <typename T, typename Weight, typename Bias>
struct LineOperands {
  std::vector<T> x;
  std::vector<const T*> rows;
  std::vector<Weight> weights;
  std::vector<Bias> bias;
  std::vector<float> multiplier;
};

q::DepthwiseU8I8 call_of(const Line& l, const LineOperands<uint8_t, int8_t, int32_t>& o, const q::ToU8& to,
                         uint8_t* c) {
  return {.channels = l.channels,
          .pixels = l.pixels,
          .outer_taps = l.outer_taps,
          .inner_taps = l.inner_taps,
          .stride = l.stride,
          .dilation = l.dilation,
          .rows = o.rows.data(),
          .weights = o.weights.data(),
          .out = {o.bias.data(), o.multiplier.data(), to.zero_point, to.lo, to.hi},
          .c = c};
}
q::DepthwiseF32 call_of(const Line& l, const LineOperands<float, float, float>& o, float lo, float hi,
                        float* c) {
  return {.channels = l.channels,
          .pixels = l.pixels,
          .outer_taps = l.outer_taps,
          .inner_taps = l.inner_taps,
          .stride = l.stride,
          .dilation = l.dilation,
          .rows = o.rows.data(),
          .weights = o.weights.data(),
          .out = {o.bias.data(), lo, hi},
          .c = c};
}

// Common windows and odd ones, lines of one pixel and of more than are computed at a time.
std::vector<Line> lines() {
  std::vector<Line> all;
  for (const size_t channels : kLengths) {
    for (const size_t pixels : {1, 2, 9}) {
      all.push_back({channels, pixels, 3, 3, 1, 1});
      all.push_back({channels, pixels, 3, 3, 2, 1});
    }
    all.push_back({channels, 7, 5, 5, 1, 1});
    all.push_back({channels, 4, 1, 3, 1, 1});
  }
  for (const size_t channels : {1, 63, 64, 129}) {
    for (const size_t outer : {1, 2, 3, 4, 5, 8, 9}) {
      for (const size_t inner : {1, 2, 3, 4, 5, 7}) {
        all.push_back({channels, 5, outer, inner, 1, 1});
        all.push_back({channels, 3, outer, inner, 3, 2});
      }
    }
  }
  return all;
}

TEST(GenericKernel, DepthwiseKeepsChannelsApartAndMovesTheWindow) {
  // two outer taps under two positions, one inner tap
  const uint8_t rows0[] = {1, 2}, rows1[] = {3, 4}, rows2[] = {5, 6};
  const uint8_t* rows[] = {rows0, rows1, rows1, rows2};
  const int8_t weights[] = {10, -1, 20, -2};
  std::vector<int32_t> bias(64);
  std::vector<float> multiplier(64);
  bias[0] = 1, bias[1] = 2, multiplier[0] = 1, multiplier[1] = 2;
  uint8_t c[4];
  generic().depthwise_u8i8(
      {2, 2, 2, 1, 1, 1, rows, weights, {bias.data(), multiplier.data(), 50, 0, 255}, c});
  EXPECT_EQ(c[0], 50 + 1 * 10 + 3 * 20 + 1);
  EXPECT_EQ(c[1], 50 + 2 * (2 * -1 + 4 * -2 + 2));
  EXPECT_EQ(c[2], 50 + 3 * 10 + 5 * 20 + 1);
  EXPECT_EQ(c[3], 50 + 2 * (4 * -1 + 6 * -2 + 2));
}

TEST(GenericKernel, DepthwiseTakesStrideAndDilationAlongTheLine) {
  const uint8_t x[] = {1, 2, 3, 4, 5, 6};
  const uint8_t* rows[] = {x, x + 1, x + 2, x + 3, x + 4, x + 5};
  const int8_t weights[] = {1, 10};
  const std::vector<int32_t> bias(64);
  const std::vector<float> multiplier(64, 1);
  uint8_t c[2];
  generic().depthwise_u8i8({1, 2, 1, 2, 3, 2, rows, weights, {bias.data(), multiplier.data(), 0, 0, 255}, c});
  EXPECT_EQ(c[0], 1 + 10 * 3);
  EXPECT_EQ(c[1], 4 + 10 * 6);
}

TEST(GenericKernel, FloatDepthwiseFusesEachStep) {
  const float row0[] = {1 + 0x1p-12f};
  const float* rows[] = {row0};
  const float weights[] = {1 + 0x1p-12f};
  const std::vector<float> bias(64, -(1 + 0x1p-11f));
  float c[1];
  generic().depthwise_f32({1, 1, 1, 1, 1, 1, rows, weights, {bias.data(), -kInf, kInf}, c});
  EXPECT_EQ(c[0], 0x1p-24f);
}

TEST(GenericKernel, FloatDepthwiseAddsTheTapsInTheOrderOfTheWeights) {
  // 2^24 + 1 is lost when 1 comes after it; outer tap 0 is (a, b), outer tap 1 is (c, d)
  const float a[] = {0x1p24f}, b[] = {1}, c[] = {-0x1p24f}, d[] = {1};
  const float* rows[] = {a, c, b, d};
  const float weights[] = {1, 1, 1, 1};
  const std::vector<float> bias(64);
  float y[1];
  generic().depthwise_f32({1, 1, 2, 2, 1, 1, rows, weights, {bias.data(), -kInf, kInf}, y});
  EXPECT_EQ(y[0], 1);  // ((2^24 + 1) - 2^24) + 1
}

TEST_P(SummingKernel, DepthwiseU8I8EqualsGeneric) {
  for (const Line& line : lines()) {
    SCOPED_TRACE(testing::Message() << line);
    LineOperands<uint8_t, int8_t, int32_t> operands;
    const size_t rows = line.positions() * line.outer_taps;
    operands.x = random.u8(rows * (line.channels + 1));
    operands.rows = rows_in(operands.x, rows, line.channels);
    operands.weights = random.i8(line.taps() * line.channels);
    operands.bias = random.biases(padded(line.channels));
    operands.multiplier = random.multipliers(padded(line.channels));
    const q::ToU8 to = random.to_u8(1);
    Output<uint8_t> expected(line.pixels * line.channels), actual(line.pixels * line.channels);
    generic().depthwise_u8i8(call_of(line, operands, to, expected.data()));
    row->depthwise_u8i8(call_of(line, operands, to, actual.data()));
    expect_same(expected, actual);
  }
}

TEST_P(SummingKernel, DepthwiseU8I8DoesNotSaturateInside) {
  for (const Line& line : {Line{70, 3, 3, 3, 1, 1}, Line{70, 2, 5, 5, 2, 1}, Line{70, 1, 1, 1, 1, 1}}) {
    SCOPED_TRACE(testing::Message() << line);
    LineOperands<uint8_t, int8_t, int32_t> operands;
    const size_t rows = line.positions() * line.outer_taps;
    operands.x.assign(rows * 71 + 64, 255);
    operands.rows = rows_in(operands.x, rows, 70);
    operands.weights.assign(line.taps() * 70, -128);
    operands.bias.assign(128, static_cast<int32_t>(255 * 128 * line.taps()) + 9);
    operands.multiplier.assign(128, 1);
    Output<uint8_t> c(line.pixels * 70);
    row->depthwise_u8i8(call_of(line, operands, {1, 0, 0, 255}, c.data()));
    for (size_t i = 0; i < c.n; ++i) EXPECT_EQ(c.elements[i], 9) << "element " << i;
  }
}

TEST_P(SummingKernel, AMultiplierBeyondBinary32EqualsGeneric) {
  const Line line = {4, 1, 1, 1, 1, 1};
  LineOperands<uint8_t, int8_t, int32_t> operands;
  operands.x = {0, 1, 2, 3};
  operands.rows = {operands.x.data()};
  operands.weights = {1, 1, -1, 0};
  operands.bias.assign(64, 0);
  operands.multiplier.assign(64, kInf);
  operands.multiplier[3] = kNan;
  Output<uint8_t> expected(4), actual(4);
  generic().depthwise_u8i8(call_of(line, operands, {1, 9, 5, 250}, expected.data()));
  row->depthwise_u8i8(call_of(line, operands, {1, 9, 5, 250}, actual.data()));
  EXPECT_EQ(expected.elements[0], 5);  // 0 * inf
  EXPECT_EQ(expected.elements[1], 250);
  expect_same(expected, actual);
}

TEST_P(SummingKernel, SumsThatLeaveInt32WhenMultipliedSaturate) {
  const Line line = {4, 1, 1, 1, 1, 1};
  LineOperands<uint8_t, int8_t, int32_t> operands;
  operands.x = {255, 255, 255, 255};
  operands.rows = {operands.x.data()};
  operands.weights = {127, -128, 127, -128};
  operands.bias.assign(64, 0);
  operands.multiplier.assign(64, 1e6f);
  operands.multiplier[2] = operands.multiplier[3] = 1.f;  // leave int16 only
  Output<uint8_t> c(4);
  row->depthwise_u8i8(call_of(line, operands, {1, 200, 3, 252}, c.data()));
  EXPECT_EQ(c.elements[0], 252);
  EXPECT_EQ(c.elements[1], 3);
  EXPECT_EQ(c.elements[2], 252);
  EXPECT_EQ(c.elements[3], 3);
}

TEST_P(SummingKernel, DepthwiseF32EqualsGeneric) {
  for (const Line& line : lines()) {
    SCOPED_TRACE(testing::Message() << line);
    LineOperands<float, float, float> operands;
    const size_t rows = line.positions() * line.outer_taps, elements = rows * (line.channels + 1);
    operands.x = random.between(0, 1) ? random.odd_f32(elements) : random.f32(elements);
    operands.rows = rows_in(operands.x, rows, line.channels);
    operands.weights = random.f32(line.taps() * line.channels);
    operands.bias = random.f32(padded(line.channels));
    Output<float> expected(line.pixels * line.channels), actual(line.pixels * line.channels);
    generic().depthwise_f32(call_of(line, operands, 0, 6, expected.data()));
    row->depthwise_f32(call_of(line, operands, 0, 6, actual.data()));
    expect_same(expected, actual);
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

TEST_P(SummingKernel, PoolsOfU8EqualGeneric) {
  for (const size_t channels : kLengths) {
    for (const size_t taps : {1, 2, 4, 9, 49}) {
      SCOPED_TRACE(testing::Message() << channels << " channels, " << taps << " taps");
      const std::vector<uint8_t> x = random.u8(taps * (channels + 1));
      const std::vector<const uint8_t*> rows = rows_in(x, taps, channels);
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

TEST_P(SummingKernel, PoolsOfF32EqualGeneric) {
  for (const size_t channels : kLengths) {
    for (const size_t taps : {1, 2, 4, 9, 49}) {
      SCOPED_TRACE(testing::Message() << channels << " channels, " << taps << " taps");
      const bool odd = random.between(0, 1);
      const std::vector<float> x =
          odd ? random.odd_f32(taps * (channels + 1)) : random.f32(taps * (channels + 1));
      const std::vector<const float*> rows = rows_in(x, taps, channels);
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

TEST_P(SummingKernel, FloatMaxKeepsTheFirstOfTwoZeros) {
  const float row0[] = {-0.f, 0.f, -0.f}, row1[] = {0.f, -0.f, -0.f};
  const float* rows[] = {row0, row1};
  Output<float> out(3);
  row->max_f32(rows, 2, 3, out.data());
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(same(out.elements[i], row0[i])) << i;
}

}  // namespace
