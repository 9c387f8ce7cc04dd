// Elementary functions with the same bits on every machine: polynomials in binary64, nothing of libm but
// exact operations.
#pragma once

#include "q/error.h"

namespace q {

// All are within 2 ulp of the true value in binary64; overflow gives inf, underflow 0, NaN stays NaN, and so
// does what has no real value.
double exp(double x);
double expm1(double x);
// Natural logarithms; -inf at 0, NaN below.
Q_API double log(double x);
double log1p(double x);  // of 1 + x
// C's pow: 1 for y = 0 or x = 1 whatever the other is; negative x only with whole y.
double pow(double x, double y);

// 1 / (1 + exp(-x))
double sigmoid(double x);
double erf(double x);

double sinh(double x);
double cosh(double x);
double tanh(double x);
double asinh(double x);
double acosh(double x);
double atanh(double x);

// Angles in radians, of any magnitude.
double sin(double x);
double cos(double x);
double tan(double x);
double asin(double x);
double acos(double x);
double atan(double x);
// The angle of the point (x, y), with C's signs of zeros.
double atan2(double y, double x);

}  // namespace q
