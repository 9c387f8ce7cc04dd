// x^y = exp(y log(x)), the logarithm with some ten bits more than binary64, which the exponent takes.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/exp.h"
#include "base/math.h"

namespace q {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;

// log(x) to 2^-63 for finite x > 0. log(2^k (1 + f)) = k ln 2 + 2 artanh(s), s = f / (2 + f), |s| < 0.172
Pair log_pair(double x) {
  int k = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    k = -54;
  }
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  k += static_cast<int>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  if (mantissa >= 0x1.6a09e667f3bcdp+0) {
    mantissa /= 2;
    ++k;
  }
  const double f = mantissa - 1;
  const Pair s = divide({f, 0}, add(2, f)), s2 = multiply(s, s);
  static constexpr double kTerms[] = {2. / 5,  2. / 7,  2. / 9,  2. / 11, 2. / 13, 2. / 15,
                                      2. / 17, 2. / 19, 2. / 21, 2. / 23, 2. / 25, 2. / 27};
  constexpr Pair kTwoThirds = {0x1.5555555555555p-1, 0x1.5555555555555p-55};
  const Pair series = add(kTwoThirds, multiply(s2, {polynomial(kTerms, s2.high), 0}));
  const Pair artanh = add({2 * s.high, 2 * s.low}, multiply(multiply(s2, series), s));
  return add({k * kLn2High, k * kLn2Low}, artanh);
}

// |x|^y for finite operands, x not 0.
double power(double magnitude, double y) {
  const Pair logarithm = log_pair(magnitude), exponent = multiply(logarithm, {y, 0});
  const double high = logarithm.high * y;
  if (high > 710) return kInfinity;  // ln(2^1024) = 709.78…
  if (high < -746) return 0;         // ln(2^-1075) = -745.13…
  return exp_times_power(exponent, 0);
}

}  // namespace

double pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y) return x + y;
  const double magnitude = std::abs(x);
  if (std::isinf(y)) return magnitude == 1 ? 1 : (magnitude > 1) == (y > 0) ? kInfinity : 0;
  const bool is_whole = std::floor(y) == y, is_odd = is_whole && std::floor(y / 2) * 2 != y;
  const double sign = is_odd ? std::copysign(1, x) : 1;
  if (x == 0 || std::isinf(x)) return sign * ((x == 0) == (y > 0) ? 0 : kInfinity);
  if (x < 0 && !is_whole) return std::numeric_limits<double>::quiet_NaN();
  return sign * power(magnitude, y);
}

}  // namespace q
