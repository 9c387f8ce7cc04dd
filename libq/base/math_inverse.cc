// Arc tangent, sine and cosine: the angle of a point, by the nearest multiple of 1/8 among the tangents and
// the series of what is left.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "base/pair.h"

namespace q {

namespace {

constexpr Pair kHalfPi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
constexpr Pair kPi = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53};

// atan(k / 8)
constexpr Pair kAtan[] = {{0, 0},
                          {0x1.fd5ba9aac2f6ep-4, -0x1.cd37686760c17p-59},
                          {0x1.f5b75f92c80ddp-3, 0x1.8ab6e3cf7afbdp-57},
                          {0x1.6f61941e4def1p-2, -0x1.c63aae6f6e918p-56},
                          {0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56},
                          {0x1.1e00babdefeb4p-1, -0x1.928df287a668fp-58},
                          {0x1.4978fa3269ee1p-1, 0x1.2419a87f2a458p-56},
                          {0x1.700a7c5784634p-1, -0x1.8c34d25aadef6p-56},
                          {0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55}};

// atan(y / x) for 0 <= y <= x: atan(c) + atan((y - c x) / (x + c y)), the latter argument at most 1/16
Pair angle_below_diagonal(const Pair& y, const Pair& x) {
  static constexpr double kTerms[] = {-1. / 3, 1. / 5, -1. / 7, 1. / 9, -1. / 11, 1. / 13, -1. / 15};
  const int k = static_cast<int>(8 * (y.high / x.high) + 0.5);
  const Pair c = {k / 8., 0};
  const Pair t = divide(add(y, -multiply(x, c)), add(x, multiply(y, c)));
  const double square = t.high * t.high;
  return add(kAtan[k], {t.high, t.low + t.high * square * polynomial(kTerms, square)});
}

// The angle of the point (x, y), both >= 0 and not both 0; their quotient between 2^-64 and 2^64, or 0.
Pair angle_of(const Pair& y, const Pair& x) {
  if (y.high <= x.high) return angle_below_diagonal(y, x);
  return add(kHalfPi, -angle_below_diagonal(x, y));
}

// sqrt(1 - x^2)
Pair other_side(double x) { return root(add({1, 0}, -multiply(x, x))); }

constexpr double kLinear = 0x1p-28;   // below it x^3 is lost beside x
constexpr double kFarther = 0x1p-60;  // below it a quotient is lost beside pi/2

// The angle of a point right of the axis, neither coordinate 0 or infinite.
Pair angle_of(double y, double x) {
  if (y / x < kFarther) return {y / x, 0};
  if (x / y < kFarther) return kHalfPi;
  const int exponent = -std::ilogb(std::max(y, x));  // so that nothing overflows
  return angle_of(Pair{std::ldexp(y, exponent), 0}, Pair{std::ldexp(x, exponent), 0});
}

}  // namespace

double atan(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear || x != x) return x;
  if (magnitude > 1 / kFarther) return std::copysign(kHalfPi.high, x);
  return std::copysign(angle_of(Pair{magnitude, 0}, Pair{1, 0}).high, x);
}

double asin(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear || x != x) return x;
  if (magnitude > 1) return std::numeric_limits<double>::quiet_NaN();
  return std::copysign(angle_of({magnitude, 0}, other_side(x)).high, x);
}

double acos(double x) {
  if (x != x) return x;
  const double magnitude = std::abs(x);
  if (magnitude > 1) return std::numeric_limits<double>::quiet_NaN();
  if (magnitude < kFarther) return kHalfPi.high;
  const Pair angle = angle_of(other_side(x), {magnitude, 0});
  return x < 0 ? add(kPi, -angle).high : angle.high;
}

double atan2(double y, double x) {
  if (x != x || y != y) return x + y;
  const bool is_left = std::signbit(x);
  double above = std::abs(y), right = std::abs(x);
  if (std::isinf(y) && std::isinf(x)) above = right = 1;
  Pair angle = {0, 0};
  if (right == 0 ? above > 0 : std::isinf(above))
    angle = kHalfPi;
  else if (above > 0 && !std::isinf(right))
    angle = angle_of(above, right);
  if (is_left) angle = add(kPi, -angle);
  return std::copysign(angle.high, y);
}

}  // namespace q
