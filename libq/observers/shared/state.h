// What observers have in common: ranges, counts of values, and the checks of states that come from files. A
// state's last tensor is always its counts: i64 [2], the finite values and the others.
#pragma once

#include "kernels/kernels.h"
#include "q/observer.h"

namespace q {

// The tensor with bytes that no copy of it shares, so that they may be written.
Tensor& own(Tensor& tensor);
Tensor make_counts();
// A float32 tensor full of one value.
Tensor make_ranges(const Shape& shape, float value);

int64_t finite_count(const ObserverState& state);
int64_t non_finite_count(const ObserverState& state);
// Throws when the sums do not fit.
void add_counts(ObserverState& into, int64_t finite, int64_t non_finite);

// Range and number of NaN and infinities of a float32 tensor, found by all threads. Throws on another type.
MinMaxF32 find_range(View values, const Kernels& kernels);
// Throws unless the values are float32.
void check_values(View values);

// Throws unless there are as many tensors as fields.
void check_size(const ObserverState& state, std::span<const std::string_view> fields);
// Throws unless the tensor has the type and shape.
void check_tensor(const Tensor& tensor, std::string_view field, DType dtype, const Shape& shape);
// Throws unless the tensor is what make_counts makes, with no negative number.
void check_counts(const Tensor& counts);
// True when the range holds a value, false when it is empty. Throws on anything but finite, ordered and
// without -0.
bool check_range(float lo, float hi);
// Throws unless the observation asks for one of the methods.
void check_method(const Observation& observation, std::span<const std::string_view> methods);

}  // namespace q
