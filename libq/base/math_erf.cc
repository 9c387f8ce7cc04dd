// The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, by Taylor's series around
// multiples of 1/4.
#include <array>
#include <cmath>

#include "base/math.h"
#include "base/pair.h"

namespace q {

namespace {

constexpr Pair kTwoOverRootPi = {0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56};

// erf(c) and its slope there, for c = 2/4, 3/4, …
struct Center {
  Pair value;
  double slope;
};
constexpr int kFirst = 2, kLast = 24;
constexpr Center kCenters[] = {
    {{0x1.0a7ef5c18edd2p-1, 0x1.5e809f1a31a28p-56}, 0x1.c1efca49a5011p-1},
    {{0x1.6c1c9759d0e5fp-1, 0x1.b1432f2cbc455p-55}, 0x1.492e42d78d2c5p-1},
    {{0x1.af767a741088bp-1, -0x1.c97f778122797p-56}, 0x1.a911f096fbc26p-2},
    {{0x1.d8865d98abe01p-1, -0x1.fcec4afb974d9p-55}, 0x1.e4652fadcb6b2p-3},
    {{0x1.eea5557137ae0p-1, -0x1.385e445f2c96dp-55}, 0x1.e723726b824a9p-4},
    {{0x1.f92d077f8d56dp-1, 0x1.8b55ef493fce7p-56}, 0x1.b055303221015p-5},
    {{0x1.fd9ae142795e3p-1, 0x1.972801904b9a3p-56}, 0x1.529b9e8cf9a1ep-6},
    {{0x1.ff404760319b4p-1, 0x1.f142071432025p-56}, 0x1.d4143a9dfe965p-8},
    {{0x1.ffcaa8f4c9beap-1, 0x1.b0cee160116f9p-55}, 0x1.1d83170fbf6fbp-9},
    {{0x1.fff2cfb0453d9p-1, 0x1.9a913686042a3p-55}, 0x1.3360ccd23db3ap-11},
    {{0x1.fffd1ac4135f9p-1, 0x1.eeafa1ecd6cefp-55}, 0x1.2408e9ba3327fp-13},
    {{0x1.ffff6f9f67e55p-1, 0x1.e1e4483ba034bp-55}, 0x1.e9b5e8d00ce77p-16},
    {{0x1.ffffe710d565ep-1, 0x1.c9ea52d76dc04p-55}, 0x1.6a597219a93dap-18},
    {{0x1.fffffc2f171e3p-1, 0x1.85edd0395f475p-55}, 0x1.d9371e2ff7c35p-21},
    {{0x1.ffffff7b91176p-1, 0x1.0b2865615db40p-56}, 0x1.10b1488aeb235p-23},
    {{0x1.fffffff01a8b6p-1, 0x1.23370eca5ca6ap-60}, 0x1.155a09065d4f7p-26},
    {{0x1.fffffffe4fa30p-1, 0x1.d166bcb681c7bp-57}, 0x1.f1e3523b41d7dp-30},
    {{0x1.ffffffffd759dp-1, 0x1.f7bee7eb23420p-55}, 0x1.8a61745ec7d1dp-33},
    {{0x1.fffffffffc9e8p-1, -0x1.a759f7738935fp-56}, 0x1.13af4f04f9998p-36},
    {{0x1.ffffffffffc05p-1, 0x1.07ba96a6b2e1ap-55}, 0x1.5422ef5d8949dp-40},
    {{0x1.fffffffffffbep-1, -0x1.182b326b228dcp-55}, 0x1.7258610b3b233p-44},
    {{0x1.ffffffffffffcp-1, 0x1.8115fd1b12786p-56}, 0x1.63daf8b4b1e0cp-48},
    {{0x1.0000000000000p+0, -0x1.8cf81557d20b6p-56}, 0x1.2dc119095729fp-52},
};

// Of the series around a center, what is multiplied with t, t^2, …: by f'' = -2x f' the coefficients g of the
// slope are g[n + 1] = -2 (c g[n] + g[n - 1]) / (n + 1). Terms behind these are below 2^-59 for |t| <= 1/8.
struct Series {
  double terms[15];
};
constexpr std::array<Series, std::size(kCenters)> kSeries = [] {
  std::array<Series, std::size(kCenters)> out{};
  for (int i = 0; i < static_cast<int>(out.size()); ++i) {
    const double c = (i + kFirst) / 4.;
    double before = 0, g = kCenters[i].slope;
    for (int n = 0; n < 15; ++n) {
      out[static_cast<size_t>(i)].terms[n] = g / (n + 1);
      const double next = -2 * (c * g + before) / (n + 1);
      before = g;
      g = next;
    }
  }
  return out;
}();

// For |x| < 1/2: 2 x / sqrt(pi) (1 - x^2 / 3 + … ± x^2n / (n! (2n + 1)))
double around_zero(double x) {
  static constexpr double kTerms[] = {
      -1. / 3,         1. / 10,          -1. / 42,           1. / 216,      -1. / 1320,
      1. / 9360,       -1. / 75600,      1. / 685440,        -1. / 6894720, 1. / 76204800,
      -1. / 918086400, 1. / 11975040000, -1. / 168129561600,
  };
  const double square = x * x, more = square * polynomial(kTerms, square);
  const Pair slope = add(kTwoOverRootPi.high, kTwoOverRootPi.low + kTwoOverRootPi.high * more);
  return x * slope.high + x * slope.low;
}

}  // namespace

double erf(double x) {
  const double magnitude = std::abs(x);
  if (magnitude < 0.5) return around_zero(x);
  if (!(magnitude < 6)) return x != x ? x : std::copysign(1, x);  // 1 - erf(6) < 2^-55
  const int nearest = static_cast<int>(4 * magnitude + 0.5);
  const double t = magnitude - nearest / 4.;
  const size_t i = static_cast<size_t>(nearest - kFirst);
  const Pair& value = kCenters[i].value;
  return std::copysign(value.high + (value.low + t * polynomial(kSeries[i].terms, t)), x);
}

}  // namespace q
