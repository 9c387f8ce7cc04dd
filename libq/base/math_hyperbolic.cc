// Hyperbolic functions and their inverses, by exponentials and logarithms of pairs.
#include <cmath>
#include <limits>

#include "base/exp.h"
#include "base/math.h"

namespace q {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kLinear = 0x1p-28;  // below it x^3 / 3 is lost beside x
constexpr double kSquare = 0x1p28;   // above it 1 is lost beside x^2
constexpr double kLarge = 22;        // above it e^-x is lost beside e^x

// e^x / 2, which may be finite where e^x is not.
double half_exp(double x) {
  if (!(x < 711)) return x > 0 ? std::numeric_limits<double>::infinity() : x;  // or NaN
  return exp_times_power({x, 0}, -1);
}

}  // namespace

double log1p(const Pair& x) {
  const Pair sum = add({1, 0}, x);
  return log(sum.high) + sum.low / sum.high;
}

double log1p(double x) {
  if (x < 0x1p-54 && x > -0x1p-54) return x;  // the next term is x^2 / 2; keeps the sign of zero
  if (!(x > -1) || !(x < std::numeric_limits<double>::max())) return log(1 + x);
  return log1p(Pair{x, 0});
}

double sinh(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear) return x;
  if (!(magnitude < kLarge)) return std::copysign(half_exp(magnitude), x);
  const Pair power = expm1_pair(magnitude);  // ((e^x - 1) + (e^x - 1) / e^x) / 2
  return std::copysign(add(power, divide(power, add({1, 0}, power))).high / 2, x);
}

double cosh(double x) {
  const double magnitude = std::abs(x);
  if (!(magnitude < kLarge)) return half_exp(magnitude);
  const Pair power = exp_pair(magnitude);
  return add(power, divide({1, 0}, power)).high / 2;
}

double asinh(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear) return x;
  if (!(magnitude < kSquare)) return std::copysign(log(magnitude) + kLn2, x);
  // log(1 + x + x^2 / (1 + sqrt(1 + x^2)))
  const Pair square = multiply(magnitude, magnitude), hypotenuse = root(add({1, 0}, square));
  const Pair more = divide(square, add({1, 0}, hypotenuse));
  return std::copysign(log1p(add({magnitude, 0}, more)), x);
}

double acosh(double x) {
  if (x < 1) return kNan;
  if (!(x < kSquare)) return log(x) + kLn2;
  const Pair above = add(x, -1);  // log(1 + t + sqrt(t (2 + t)))
  return log1p(add(above, root(multiply(above, add(above, {2, 0})))));
}

double atanh(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear) return x;
  if (!(magnitude < 1)) return magnitude == 1 ? x * std::numeric_limits<double>::infinity() : kNan;
  return std::copysign(log1p(divide({2 * magnitude, 0}, add(1, -magnitude))) / 2, x);
}

}  // namespace q
