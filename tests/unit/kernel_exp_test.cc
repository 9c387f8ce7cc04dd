// The kernel of exponentials: generic against exp in more digits, every other row against generic, bit for
// bit.
#include <cmath>

#include "kernel_rows.h"

namespace {

using namespace kernel_rows;

class ExpKernel : public KernelRow {};
INSTANTIATE_TEST_SUITE_P(Isas, ExpKernel, testing::ValuesIn(q::isas().begin(), q::isas().end()), isa_name);

float exp_of(float x, float shift = 0) {
  float y;
  generic().exp_f32(&x, 1, shift, &y);
  return y;
}

// Units in the last place of binary32, also where those are subnormal.
double error_in_ulp(float actual, long double wanted) {
  int exponent;
  std::frexp(wanted, &exponent);
  return static_cast<double>(std::abs(actual - wanted) / std::ldexp(1.L, std::max(exponent, -125) - 24));
}

// Every 1009th number of both signs from 2^-40 up to where exp is 0 or infinity.
std::vector<float> numbers() {
  std::vector<float> x;
  for (uint32_t bits = 0x2b800000; bits < 0x42d10000; bits += 1009) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  return x;
}

// Where the answer changes its kind, and both sides of it.
std::vector<float> edges() {
  std::vector<float> x = {0, -0.f, kTiny, -kTiny, kInf, -kInf, kNan, -kNan, 3e38f, -3e38f};
  const float kinds[] = {88.72284f, 88.8f, -87.33654f, -103.2789f, -103.9721f, -104, 0.3465736f, -0.3465736f};
  for (const float kind : kinds)
    for (const float value : {std::nextafter(kind, -kInf), kind, std::nextafter(kind, kInf)})
      x.push_back(value);
  return x;
}

TEST(GenericKernel, ExpIsWithinOneUlp) {
  double worst = 0;
  for (const float x : numbers()) {
    const long double wanted = std::exp(static_cast<long double>(x));
    if (wanted >= 0x1.ffffffp127L) {
      EXPECT_EQ(exp_of(x), kInf) << x;
    } else {
      const double error = error_in_ulp(exp_of(x), wanted);
      EXPECT_LE(error, 1) << x;
      worst = std::max(worst, error);
    }
  }
  EXPECT_GT(worst, 0.5);  // else it is not measured
}

TEST(GenericKernel, ExpOfWhatIsSpecial) {
  EXPECT_TRUE(same(exp_of(0), 1));
  EXPECT_TRUE(same(exp_of(-0.f), 1));
  EXPECT_TRUE(same(exp_of(-kInf), 0));
  EXPECT_TRUE(same(exp_of(-3e38f), 0));
  EXPECT_EQ(exp_of(kInf), kInf);
  EXPECT_EQ(exp_of(3e38f), kInf);
  EXPECT_TRUE(std::isnan(exp_of(kNan)));
  EXPECT_TRUE(std::isnan(exp_of(-kNan)));
}

TEST(GenericKernel, ExpReachesTheGreatestAndTheLeastNumber) {
  EXPECT_EQ(exp_of(88.72283f), 0x1.ffff08p127f);
  EXPECT_EQ(exp_of(88.72284f), kInf);
  EXPECT_EQ(exp_of(-103.97f), kTiny);
  EXPECT_EQ(exp_of(-103.98f), 0);
}

TEST(GenericKernel, ExpTakesTheShiftOffFirst) {
  EXPECT_EQ(exp_of(1000, 1000), 1);
  EXPECT_EQ(exp_of(-7, -8), exp_of(1));
  EXPECT_TRUE(std::isnan(exp_of(kInf, kInf)));
  EXPECT_TRUE(std::isnan(exp_of(1, kNan)));
  EXPECT_EQ(exp_of(1, -kInf), kInf);
}

void expect_exp_equal(const Kernels& row, const std::vector<float>& x, float shift) {
  Output<float> expected(x.size()), actual(x.size());
  generic().exp_f32(x.data(), x.size(), shift, expected.data());
  row.exp_f32(x.data(), x.size(), shift, actual.data());
  expect_same(expected, actual);
}

TEST_P(ExpKernel, OfAllMagnitudesEqualsGeneric) { expect_exp_equal(*row, numbers(), 0); }

TEST_P(ExpKernel, OfEdgesEqualsGeneric) {
  for (const float shift : {0.f, 1e-3f, kNan, kInf, -kInf}) expect_exp_equal(*row, edges(), shift);
}

TEST_P(ExpKernel, StopsAtTheEnd) {
  for (const size_t n : kLengths) {
    expect_exp_equal(*row, random.f32(n), random.real(-4, 4));
    expect_exp_equal(*row, random.odd_f32(n), random.real(-4, 4));
  }
}

TEST_P(ExpKernel, MayWriteOverItsOperand) {
  for (const size_t n : kLengths) {
    const std::vector<float> x = random.f32(n);
    Output<float> expected(n), actual(n);
    generic().exp_f32(x.data(), n, 1, expected.data());
    std::copy(x.begin(), x.end(), actual.data());
    row->exp_f32(actual.data(), n, 1, actual.data());
    expect_same(expected, actual);
  }
}

}  // namespace
