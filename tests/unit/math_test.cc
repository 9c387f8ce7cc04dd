// base/math.h against libm in long double, over all magnitudes and at the edges.
#include "base/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "seed.h"

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

// The distance of y from the true value in units of the last place that binary64 has there.
double ulps(double y, long double truth) {
  const double nearest = static_cast<double>(truth);
  if (std::isinf(nearest)) return y == nearest ? 0 : kInf;
  int exponent;
  std::frexp(nearest, &exponent);
  const long double ulp = std::ldexp(1.0L, std::max(exponent, -1021) - 53);
  return static_cast<double>(std::fabs((y - truth) / ulp));
}

// Arguments of every magnitude up to `most`, of both signs, and many more of the ordinary size.
std::vector<double> arguments(double most, std::mt19937_64& random) {
  std::vector<double> x;
  std::uniform_real_distribution<double> even(-most, most), exponent(-1074, std::log2(most)), usual(-3, 3);
  for (int i = 0; i < 200000; ++i) {
    x.push_back(even(random));
    x.push_back(std::exp2(exponent(random)) * (i % 2 ? 1 : -1));
    x.push_back(usual(random));
  }
  return x;
}

void expect_within_two_ulp(double (*ours)(double), long double (*libm)(long double), double most,
                           bool positive) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  double worst = 0, at = 0;
  for (double x : arguments(most, random)) {
    if (positive) x = std::fabs(x);
    const double error = ulps(ours(x), libm(x));
    if (!(error <= worst)) worst = error, at = x;
  }
  EXPECT_LE(worst, 2) << "at " << std::hexfloat << at;
  testing::Test::RecordProperty("worst_ulp", std::to_string(worst));
}

long double sigmoid_truth(long double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST(Math, ExpIsWithinTwoUlp) { expect_within_two_ulp(q::exp, std::exp, 750, false); }
TEST(Math, Expm1IsWithinTwoUlp) { expect_within_two_ulp(q::expm1, std::expm1, 750, false); }
TEST(Math, LogIsWithinTwoUlp) { expect_within_two_ulp(q::log, std::log, 0x1.8p1023, true); }
TEST(Math, TanhIsWithinTwoUlp) { expect_within_two_ulp(q::tanh, std::tanh, 30, false); }
TEST(Math, SigmoidIsWithinTwoUlp) { expect_within_two_ulp(q::sigmoid, sigmoid_truth, 750, false); }

TEST(Math, LogNearOneIsWithinTwoUlp) {
  for (int i = 1; i < 2000; ++i) {
    for (const double x : {1 + i * 0x1p-52, 1 - i * 0x1p-53, 1 + i * 0x1p-30, 1 - i * 0x1p-20}) {
      EXPECT_LE(ulps(q::log(x), std::log(static_cast<long double>(x))), 2) << std::hexfloat << x;
    }
  }
}

TEST(Math, Expm1IsWithinTwoUlpWhereItsTermsCancel) {
  for (double x = -1.1; x < 1.1; x += 0x1p-14) {
    EXPECT_LE(ulps(q::expm1(x), std::expm1(static_cast<long double>(x))), 2) << std::hexfloat << x;
  }
}

TEST(Math, ExactValuesAreExact) {
  EXPECT_EQ(q::exp(0), 1);
  EXPECT_EQ(q::exp(-0.0), 1);
  EXPECT_EQ(q::expm1(0), 0);
  EXPECT_EQ(q::log(1), 0);
  EXPECT_EQ(q::tanh(0), 0);
  EXPECT_EQ(q::sigmoid(0), 0.5);
  EXPECT_EQ(q::sigmoid(-0.0), 0.5);
}

TEST(Math, ZeroKeepsItsSign) {
  EXPECT_TRUE(std::signbit(q::expm1(-0.0)));
  EXPECT_FALSE(std::signbit(q::expm1(0.0)));
  EXPECT_TRUE(std::signbit(q::tanh(-0.0)));
  EXPECT_FALSE(std::signbit(q::tanh(0.0)));
}

TEST(Math, SubnormalsComeBackFromTheFunctionsThatAreLinearThere) {
  EXPECT_EQ(q::expm1(kTiny), kTiny);
  EXPECT_EQ(q::tanh(-kTiny), -kTiny);
  EXPECT_EQ(q::exp(kTiny), 1);
  EXPECT_LE(ulps(q::log(kTiny), std::log(static_cast<long double>(kTiny))), 2);
  EXPECT_LE(ulps(q::log(0x1p-1022), std::log(0x1p-1022L)), 2);
}

TEST(Math, InfinitiesGiveTheLimits) {
  EXPECT_EQ(q::exp(kInf), kInf);
  EXPECT_EQ(q::exp(-kInf), 0);
  EXPECT_EQ(q::expm1(kInf), kInf);
  EXPECT_EQ(q::expm1(-kInf), -1);
  EXPECT_EQ(q::log(kInf), kInf);
  EXPECT_EQ(q::log(0), -kInf);
  EXPECT_EQ(q::log(-0.0), -kInf);
  EXPECT_EQ(q::tanh(kInf), 1);
  EXPECT_EQ(q::tanh(-kInf), -1);
  EXPECT_EQ(q::sigmoid(kInf), 1);
  EXPECT_EQ(q::sigmoid(-kInf), 0);
}

TEST(Math, NanStaysNan) {
  for (double (*function)(double) : {q::exp, q::expm1, q::log, q::tanh, q::sigmoid}) {
    EXPECT_TRUE(std::isnan(function(kNan)));
    EXPECT_TRUE(std::isnan(function(-kNan)));
  }
  EXPECT_TRUE(std::isnan(q::log(-1)));
  EXPECT_TRUE(std::isnan(q::log(-kInf)));
}

TEST(Math, OverflowBeginsWhereBinary64Ends) {
  const double last = 0x1.62e42fefa39efp+9;  // the greatest x with exp(x) < 2^1024
  EXPECT_LE(ulps(q::exp(last), std::exp(static_cast<long double>(last))), 2);
  EXPECT_TRUE(std::isfinite(q::exp(last)));
  EXPECT_EQ(q::exp(std::nextafter(last, kInf)), kInf);
  EXPECT_TRUE(std::isfinite(q::expm1(last)));
  EXPECT_EQ(q::expm1(std::nextafter(last, kInf)), kInf);
}

TEST(Math, UnderflowEndsInTheSmallestSubnormal) {
  const double last = -0x1.74910d52d3051p+9;  // the least x with exp(x) > 2^-1075
  EXPECT_EQ(q::exp(last), kTiny);
  EXPECT_EQ(q::exp(-746), 0);
  EXPECT_EQ(q::sigmoid(last), kTiny);
}

TEST(Math, ResultsStayInTheirRange) {
  for (double x = -50; x < 50; x += 0x1p-8) {
    EXPECT_LE(std::fabs(q::tanh(x)), 1);
    EXPECT_GE(q::sigmoid(x), 0);
    EXPECT_LE(q::sigmoid(x), 1);
    EXPECT_GE(q::expm1(x), -1);
    EXPECT_EQ(q::tanh(x), -q::tanh(-x));
  }
}
