// Elementary functions out of additions, multiplications and divisions, which IEEE 754 rounds alike on every
// machine. Arguments are reduced as W. J. Cody and W. Waite describe (Software Manual for the Elementary
// Functions, 1980); on the small interval left, Taylor's series go on until the next term is below 2^-56 of
// the sum.
#include "base/math.h"

#include <bit>
#include <cstdint>
#include <limits>

#include "base/exp.h"

namespace q {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ln 2 in two parts: multiples of the first by integers below 2^20 are exact.
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kLog2E = 0x1.71547652b82fep+0;

// 2^k for -1022 <= k <= 1023.
double power_of_2(int k) { return std::bit_cast<double>(static_cast<uint64_t>(k + 1023) << 52); }

// x * 2^k for |k| <= 2000, in two steps because 2^k itself may not be a binary64 number.
double scaled(double x, int k) { return x * power_of_2(k / 2) * power_of_2(k - k / 2); }

// x = k ln 2 + r, |r| <= ln 2 / 2. Needs |x| < 2^11.
struct Reduced {
  int k;
  Pair r;
};

Reduced reduce(double x) {
  const int k = static_cast<int>(x * kLog2E + (x < 0 ? -0.5 : 0.5));
  return {k, add(x - k * kLn2High, -(k * kLn2Low))};
}

// start + (exp(r) - 1) = start + r + r^2 (1/2! + r/3! + …)
Pair add_expm1(double start, const Pair& r) {
  static constexpr double kTerms[] = {
      1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,        1. / 5040,       1. / 40320,
      1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800, 1. / 87178291200};
  const Pair linear = add(start, r.high);
  const Pair sum = add(linear.high, r.high * r.high * polynomial(kTerms, r.high));
  return add(sum.high, sum.low + (linear.low + r.low));
}

// a / (b + c)
double quotient(const Pair& a, double b, const Pair& c) {
  const Pair divisor = add(b, c.high);
  const double y = a.high / divisor.high;
  return y + y * (a.low / a.high - (divisor.low + c.low) / divisor.high);
}

}  // namespace

Pair exp_pair(double x) {
  const Reduced reduced = reduce(x);
  const Pair sum = add_expm1(1, reduced.r);
  return {scaled(sum.high, reduced.k), scaled(sum.low, reduced.k)};
}

Pair expm1_pair(double x) {
  const Reduced reduced = reduce(x);
  const Pair sum =
      add_expm1(1 - scaled(1, -reduced.k), reduced.r);  // 2^k e^r - 1 = 2^k ((1 - 2^-k) + (e^r - 1))
  return {scaled(sum.high, reduced.k), scaled(sum.low, reduced.k)};
}

double exp_times_power(const Pair& x, int k) {
  const Reduced reduced = reduce(x.high);
  const Pair r = add(reduced.r.high, reduced.r.low + x.low);  // x.low may be many ulp of r
  return scaled(add_expm1(1, r).high, reduced.k + k);
}

double exp(double x) {
  if (x != x) return x;
  if (x > 709.79) return kInfinity;  // ln(2^1024) = 709.7827…
  if (x < -745.14) return 0;         // ln(2^-1075) = -745.1332…
  return exp_times_power({x, 0}, 0);
}

double expm1(double x) {
  if (x != x) return x;
  if (x > 60) return exp(x);                  // 1 is below a quarter ulp
  if (x < -40) return -1;                     // 1 - e^-40 > 1 - 2^-57
  if (x < 0x1p-54 && x > -0x1p-54) return x;  // the next term is x^2 / 2; keeps the sign of zero
  return expm1_pair(x).high;
}

double log(double x) {
  if (x == 0) return -kInfinity;
  if (x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (!(x < kInfinity)) return x;  // infinity or NaN
  int k = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    k = -54;
  }
  // x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2)
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  k += static_cast<int>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  if (mantissa >= 0x1.6a09e667f3bcdp+0) {
    mantissa /= 2;
    ++k;
  }
  const double f = mantissa - 1;
  // ln(1 + f) = 2 artanh(s) = 2 s + s (2/3 s^2 + 2/5 s^4 + …) for s = f / (2 + f), |s| < 0.172
  const double s = f / (2 + f), s2 = s * s;
  static constexpr double kTerms[] = {2. / 3,  2. / 5,  2. / 7,  2. / 9,  2. / 11, 2. / 13,
                                      2. / 15, 2. / 17, 2. / 19, 2. / 21, 2. / 23, 2. / 25};
  const double series = s2 * polynomial(kTerms, s2);
  // 2 s = f - f^2/2 + s f^2/2: f is exact, so that the rounded terms are small beside it.
  const double half_square = f * f / 2;
  return k * kLn2High - ((half_square - (s * (half_square + series) + k * kLn2Low)) - f);
}

double tanh(double x) {
  if (x != x) return x;
  const double magnitude = x < 0 ? -x : x;
  if (magnitude < 0x1p-28) return x;          // x^3 / 3 is lost; keeps the sign of zero
  if (magnitude > 22) return x < 0 ? -1 : 1;  // 1 - 2 e^-44 > 1 - 2^-62
  const Pair power = expm1_pair(2 * magnitude);
  const double y = quotient(power, 2, power);
  return x < 0 ? -y : y;
}

double sigmoid(double x) {
  if (x != x) return x;
  if (x < -40) return exp(x);  // 1 / (1 + e^-x) = e^x (1 - e^x + …)
  if (x > 40) return 1;
  const Pair power = exp_pair(x < 0 ? x : -x);
  return quotient(x < 0 ? power : Pair{1, 0}, 1, power);
}

}  // namespace q
