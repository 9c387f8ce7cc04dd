// Exponential and logarithm of numbers with more digits than binary64 holds: what other elementary
// functions are made of.
#pragma once

#include "base/pair.h"

namespace q {

// exp(x) and exp(x) - 1 for |x| < 700
Pair exp_pair(double x);
Pair expm1_pair(double x);
// exp(x) 2^k for |x| < 1000 and |k| <= 2
double exp_times_power(const Pair& x, int k);
// log(1 + x) for x > -1
double log1p(const Pair& x);

}  // namespace q
