// Numbers as the sum of two of binary64: what elementary functions need between their operations.
#pragma once

#include <cmath>

namespace q {

// high is the sum rounded, low what the rounding lost.
struct Pair {
  double high, low;
};

constexpr Pair operator-(const Pair& a) { return {-a.high, -a.low}; }

// D. E. Knuth, The Art of Computer Programming 2, 4.2.2 theorem B: exact for all a and b.
constexpr Pair add(double a, double b) {
  const double sum = a + b, b_seen = sum - a, a_seen = sum - b_seen;
  return {sum, (a - a_seen) + (b - b_seen)};
}

// Within 2^-100 of the greater operand.
constexpr Pair add(const Pair& a, const Pair& b) {
  const Pair sum = add(a.high, b.high);
  return add(sum.high, sum.low + (a.low + b.low));
}

// Exact unless the product is below 2^-969.
inline Pair multiply(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

// Within 2^-100, relatively; so are quotient and root.
inline Pair multiply(const Pair& a, const Pair& b) {
  const Pair product = multiply(a.high, b.high);
  return add(product.high, product.low + (a.high * b.low + a.low * b.high));
}

inline Pair divide(const Pair& a, const Pair& b) {
  const double y = a.high / b.high;
  const double rest = std::fma(-y, b.high, a.high) + (a.low - y * b.low);
  return add(y, rest / b.high);
}

// a >= 0
inline Pair root(const Pair& a) {
  const double y = std::sqrt(a.high);
  if (y == 0) return {y, 0};
  return add(y, (std::fma(-y, y, a.high) + a.low) / (2 * y));
}

// a[0] + a[1] x + a[2] x^2 + …
template <int N>
constexpr double polynomial(const double (&a)[N], double x) {
  double sum = a[N - 1];
  for (int i = N - 2; i >= 0; --i) sum = sum * x + a[i];
  return sum;
}

}  // namespace q
