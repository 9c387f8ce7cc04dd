// Sine, cosine and tangent: the angle is brought to [-pi/4, pi/4], as a pair, where Taylor's series do.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/math.h"
#include "base/pair.h"

namespace q {

namespace {

constexpr double kQuarterPi = 0x1.921fb54442d18p-1;
constexpr Pair kHalfPi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};

// x = quadrant * pi/2 + r, |r| <= pi/4 and a little; only the last two bits of the quadrant count.
struct Angle {
  unsigned quadrant;
  Pair r;
};

// 2/pi, 32 bits a word from behind the point on.
constexpr uint32_t kTwoOverPi[] = {0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041,
                                   0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c,
                                   0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41,
                                   0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f,
                                   0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d,
                                   0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08,
                                   0x56033046, 0xfc7b6bab, 0xf0cfbc20, 0x9af4361d, 0xa9e39161, 0x5ee61b08};

// 32 bits of 2/pi from bit `first` behind the point on; before it there are zeros.
uint32_t two_over_pi(int first) {
  const auto word = [](int i) -> uint64_t { return i < 0 ? 0 : kTwoOverPi[i]; };
  const int i = (first + 64) / 32 - 2, shift = (first + 64) % 32;
  return static_cast<uint32_t>((word(i) << 32 | word(i + 1)) >> (32 - shift));
}

// x * 2/pi modulo 4 as 256 bits, two of them before the point. M. Payne and R. Hanek, Radian reduction for
// trigonometric functions, 1983: bits of 2/pi that yield multiples of 4 are left out, those behind the window
// are worth less than 2^-200.
using Turn = std::array<uint32_t, 8>;
Turn turn_of(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1075;
  const uint64_t mantissa = (bits & 0xfffffffffffff) | 0x10000000000000;
  const uint32_t halves[] = {static_cast<uint32_t>(mantissa), static_cast<uint32_t>(mantissa >> 32)};
  Turn out{};
  for (int half = 0; half < 2; ++half) {
    uint64_t carry = 0;
    for (int i = 7; i >= half; --i) {
      uint32_t& word = out[static_cast<size_t>(i - half)];
      const uint64_t sum = uint64_t{two_over_pi(exponent - 2 + 32 * i)} * halves[half] + word + carry;
      word = static_cast<uint32_t>(sum);
      carry = sum >> 32;
    }
  }
  return out;
}

// For x >= 2^-2, of any magnitude.
Angle reduced_exactly(double x) {
  Turn turn = turn_of(x);
  unsigned quadrant = turn[0] >> 30;
  const bool is_beyond = (turn[0] >> 29 & 1) != 0;  // more than half of a quadrant: counts back from the next
  if (is_beyond) {
    ++quadrant;
    uint64_t carry = 1;
    for (size_t i = turn.size(); i-- > 0; carry >>= 32) {
      carry += static_cast<uint32_t>(~turn[i]);
      turn[i] = static_cast<uint32_t>(carry);
    }
  }
  turn[0] &= 0x3fffffff;
  Pair fraction = {0, 0};
  double unit = 0x1p-254;
  for (size_t i = turn.size(); i-- > 0; unit *= 0x1p32) fraction = add({turn[i] * unit, 0}, fraction);
  const Pair r = multiply(fraction, kHalfPi);
  return {quadrant, is_beyond ? -r : r};
}

// For x >= 0. The multiples of pi/2 by whole numbers below 2^20 are subtracted in three parts, of which two
// are exact; what is left of them to 2^-99 suffices unless it is very small.
Angle reduced(double x) {
  constexpr double kTwoOverPiRounded = 0x1.45f306dc9c883p-1;
  constexpr double kFirst = 0x1.921fb544p+0, kSecond = 0x1.0b4611a6p-34, kThird = 0x1.3198a2e037073p-69;
  if (x <= kQuarterPi) return {0, {x, 0}};
  if (x < 0x1p20) {
    const double k = std::rint(x * kTwoOverPiRounded);
    const Pair first = add(x, -(k * kFirst)), second = add(first.high, -(k * kSecond));
    const Pair r = add(second.high, (second.low + first.low) - k * kThird);
    if (std::abs(r.high) > 0x1p-20) return {static_cast<unsigned>(k), r};
  }
  return reduced_exactly(x);
}

Pair sine(const Pair& r) {
  static constexpr double kTerms[] = {
      -1. / 6,         1. / 120,         -1. / 5040,           1. / 362880,
      -1. / 39916800., 1. / 6227020800., -1. / 1307674368000., 1. / 355687428096000.};
  const double square = r.high * r.high;
  return add(r.high, r.high * square * polynomial(kTerms, square) + r.low * (1 - square / 2));
}

Pair cosine(const Pair& r) {
  static constexpr double kTerms[] = {
      1. / 24,         -1. / 720,          1. / 40320,           -1. / 3628800,
      1. / 479001600., -1. / 87178291200., 1. / 20922789888000., -1. / 6402373705728000.};
  const Pair square = multiply(r.high, r.high), start = add(1, -square.high / 2);
  const double more = square.high * square.high * polynomial(kTerms, square.high);
  return add(start.high, start.low + (more - (square.low / 2 + r.high * r.low)));
}

// Sine of the angle and `turned` quadrants.
double sine_of(const Angle& angle, unsigned turned) {
  const unsigned quadrant = angle.quadrant + turned;
  const double y = quadrant & 1 ? cosine(angle.r).high : sine(angle.r).high;
  return quadrant & 2 ? -y : y;
}

constexpr double kLinear = 0x1p-27;  // below it x^3 is lost beside x

}  // namespace

double sin(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear) return x;
  if (!std::isfinite(x)) return x - x;
  const double y = sine_of(reduced(magnitude), 0);
  return x < 0 ? -y : y;
}

double cos(double x) { return std::isfinite(x) ? sine_of(reduced(std::abs(x)), 1) : x - x; }

double tan(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < kLinear) return x;
  if (!std::isfinite(x)) return x - x;
  const Angle angle = reduced(magnitude);
  const Pair y = sine(angle.r), z = cosine(angle.r);
  const double quotient = angle.quadrant & 1 ? -divide(z, y).high : divide(y, z).high;
  return x < 0 ? -quotient : quotient;
}

}  // namespace q
