// Elementary functions with the same bits on every machine: polynomials in binary64, nothing of libm but
// exact operations.
#pragma once

#include "q/error.h"

namespace q {

// Within 2 ulp of the true value in binary64; overflow gives inf, underflow 0, NaN stays NaN.
double exp(double x);
double expm1(double x);
// Natural logarithm; -inf at 0, NaN below.
Q_API double log(double x);
double tanh(double x);
// 1 / (1 + exp(-x))
double sigmoid(double x);

}  // namespace q
