// base/math.h beyond exponentials: against libm in long double, over all magnitudes and at the edges.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/math.h"
#include "seed.h"

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
constexpr double kPi = 0x1.921fb54442d18p+1;

using Function = double (*)(double);
using Truth = long double (*)(long double);

// The distance of y from the true value in units of the last place that binary64 has there.
double ulps(double y, long double truth) {
  const double nearest = static_cast<double>(truth);
  if (std::isinf(nearest) || std::isinf(y)) return y == nearest ? 0 : kInf;
  int exponent;
  std::frexp(nearest, &exponent);
  const long double ulp = std::ldexp(1.0L, std::max(exponent, -1021) - 53);
  return static_cast<double>(std::fabs((y - truth) / ulp));
}

// One function, the truth, and the arguments between which it is compared.
struct Subject {
  const char* name;
  Function ours;
  Truth libm;
  double lowest, highest;
};

const Subject kSubjects[] = {
    {"log1p", q::log1p, std::log1p, -1, kMax},    {"erf", q::erf, std::erf, -7, 7},
    {"sinh", q::sinh, std::sinh, -720, 720},      {"cosh", q::cosh, std::cosh, -720, 720},
    {"asinh", q::asinh, std::asinh, -kMax, kMax}, {"acosh", q::acosh, std::acosh, 1, kMax},
    {"atanh", q::atanh, std::atanh, -1, 1},       {"sin", q::sin, std::sin, -0x1p60, 0x1p60},
    {"cos", q::cos, std::cos, -0x1p60, 0x1p60},   {"tan", q::tan, std::tan, -0x1p60, 0x1p60},
    {"asin", q::asin, std::asin, -1, 1},          {"acos", q::acos, std::acos, -1, 1},
    {"atan", q::atan, std::atan, -kMax, kMax},
};

// Arguments of every magnitude inside of the subject's limits, and many of the ordinary size.
std::vector<double> arguments(const Subject& subject, std::mt19937_64& random) {
  std::uniform_real_distribution<double> exponent(-1074, 1024), usual(-8, 8), unit(-1, 1);
  std::vector<double> x;
  for (int i = 0; i < 40000; ++i) {
    const double sign = i % 2 == 0 ? 1 : -1, magnitude = std::exp2(exponent(random));
    for (const double each : {sign * magnitude, usual(random), unit(random),
                              sign * (1 + unit(random) * 0x1p-20), subject.highest * unit(random)})
      if (each >= subject.lowest && each <= subject.highest) x.push_back(each);
  }
  return x;
}

class MathFunction : public testing::TestWithParam<Subject> {};

TEST_P(MathFunction, IsWithinTwoUlp) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  double worst = 0, at = 0;
  for (const double x : arguments(GetParam(), random)) {
    const double error = ulps(GetParam().ours(x), GetParam().libm(x));
    if (!(error <= worst)) worst = error, at = x;
  }
  EXPECT_LE(worst, 2) << "at " << std::hexfloat << at;
  RecordProperty("worst_ulp", std::to_string(worst));
}

TEST_P(MathFunction, KeepsNanAndRefusesWhatIsOutside) {
  EXPECT_TRUE(std::isnan(GetParam().ours(kNan)));
  for (const double x : {-kInf, -2., 0., kInf}) {
    const double truth = static_cast<double>(GetParam().libm(x)), y = GetParam().ours(x);
    EXPECT_TRUE(std::isnan(truth) ? std::isnan(y) : ulps(y, GetParam().libm(x)) <= 2) << x << " gives " << y;
  }
}

TEST_P(MathFunction, IsOddOrEvenToTheBit) {
  for (const double x : {0., kTiny, 0x1p-1022, 1e-9, 0.3, 0.5, 1., 1.5, 20., 30., 1e6, 1e300}) {
    const double truth = static_cast<double>(GetParam().libm(x)), y = GetParam().ours(x),
                 z = GetParam().ours(-x);
    if (static_cast<double>(GetParam().libm(-x)) == -truth) {
      EXPECT_EQ(z, -y) << x;
      EXPECT_EQ(std::signbit(z), !std::signbit(y)) << x;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Math, MathFunction, testing::ValuesIn(kSubjects),
                         [](const auto& subject) { return std::string(subject.param.name); });

TEST(MathTrigonometric, TakesAnglesOfAnyMagnitude) {
  // worked out with 3000 bits
  EXPECT_EQ(q::sin(0x1.ac5b262ca1843p+849), -0x1.fccbf1c7f7491p-1);
  EXPECT_EQ(q::cos(0x1.ac5b262ca1843p+849), -0x1.c977f3f8bb485p-4);
  EXPECT_EQ(q::sin(kMax), 0x1.452fc98b34e97p-8);
  EXPECT_EQ(q::tan(0x1p100), -0x1.c86fbfa8cecc3p+0);
  EXPECT_EQ(q::sin(kPi), 0x1.1a62633145c07p-53);  // what kPi is short of pi
  EXPECT_EQ(q::cos(0x1.6ac5b262ca1ffp+849), -0x1.14ae72e6ba22fp-61);
}

TEST(MathTrigonometric, IsNearlyExactNearMultiplesOfAQuarterTurn) {
  for (int i = 1; i < 20000; ++i) {
    const double x = i * (kPi / 2);
    EXPECT_LE(ulps(q::sin(x), std::sin(static_cast<long double>(x))), 2) << i;
    EXPECT_LE(ulps(q::cos(x), std::cos(static_cast<long double>(x))), 2) << i;
    EXPECT_LE(ulps(q::tan(x), std::tan(static_cast<long double>(x))), 2) << i;
  }
}

TEST(MathAtan2, IsWithinTwoUlpInAllQuadrants) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(-1000, 1000), unit(-1, 1), near(-3, 3);
  for (int i = 0; i < 60000; ++i) {
    const double x = unit(random), y = unit(random), scale = std::exp2(exponent(random));
    for (const auto& [b, a] :
         {std::pair(y, x), {y * scale, x * scale}, {y, x * std::exp2(near(random))}, {y * scale, x}})
      ASSERT_LE(ulps(q::atan2(b, a), std::atan2(static_cast<long double>(b), static_cast<long double>(a))), 2)
          << std::hexfloat << b << ", " << a;
  }
}

TEST(MathAtan2, HasTheSignsOfCAtZerosAndInfinities) {
  const double edges[] = {0., -0., 1., -1., kInf, -kInf, kTiny, -kTiny, kMax, -kMax};
  for (const double y : edges)
    for (const double x : edges) {
      const double wanted =
          static_cast<double>(std::atan2(static_cast<long double>(y), static_cast<long double>(x)));
      EXPECT_EQ(q::atan2(y, x), wanted) << y << ", " << x;
      EXPECT_EQ(std::signbit(q::atan2(y, x)), std::signbit(wanted)) << y << ", " << x;
    }
  EXPECT_TRUE(std::isnan(q::atan2(kNan, 1)));
  EXPECT_TRUE(std::isnan(q::atan2(1, kNan)));
}

TEST(MathPow, IsWithinTwoUlp) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(-1074, 1024), unit(-1, 1), usual(0, 10);
  for (int i = 0; i < 60000; ++i) {
    const double any = std::exp2(exponent(random)), ordinary = usual(random),
                 near = 1 + unit(random) * 0x1p-10;
    for (const auto& [x, y] : {std::pair(any, unit(random)),
                               {ordinary, 10 * unit(random)},
                               {ordinary, 300 * unit(random)},
                               {near, 0x1p19 * unit(random)},
                               {any, 2 * unit(random)}})
      ASSERT_LE(ulps(q::pow(x, y), std::pow(static_cast<long double>(x), static_cast<long double>(y))), 2)
          << std::hexfloat << x << ", " << y;
  }
}

TEST(MathPow, IsThatOfCAtTheEdges) {
  const double edges[] = {0.,   -0.,  1.,   -1.,  0.5,   -0.5,  2.,     -2.,  3.,    -3., 2.5,
                          -2.5, 1e15, 1e16, kInf, -kInf, kTiny, -kTiny, kMax, -kMax, kNan};
  for (const double x : edges)
    for (const double y : edges) {
      const double wanted = std::pow(x, y), got = q::pow(x, y);
      if (std::isnan(wanted)) {
        EXPECT_TRUE(std::isnan(got)) << x << ", " << y;
      } else {
        EXPECT_LE(ulps(got, wanted), 2) << x << ", " << y;
        EXPECT_EQ(std::signbit(got), std::signbit(wanted)) << x << ", " << y;
      }
    }
}

TEST(MathPow, OfSmallWholeNumbersIsExact) {
  for (int x = -9; x <= 9; ++x)
    for (int y = 0; y <= 9; ++y) EXPECT_EQ(q::pow(x, y), std::pow(x, y)) << x << ", " << y;
}

TEST(MathErf, GrowsAllTheWayToOne) {
  double before = -1;
  for (double x = -6.5; x < 6.5; x += 0x1p-9) {
    EXPECT_GE(q::erf(x), before) << x;
    before = q::erf(x);
  }
  EXPECT_EQ(before, 1);
}

}  // namespace
