// Packing of an activation as the second operand of a product: panels of columns in the order in which the
// kernels read them, and what its integers add to the biases.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/shared/gemm.h"
#include "ops/shared/product.h"

namespace q {

inline constexpr int32_t kSignShift = 128;  // u8 becomes i8 by taking so much away

// What the elements of the second operand become.
template <typename T>
struct Packing;
template <>
struct Packing<float> {
  float alpha = 1;
};
template <>
struct Packing<uint8_t> {
  int32_t a_zero = 0, b_zero = 0;  // the latter less kSignShift
  std::vector<int32_t> bias{};     // of every column
};

// b: matrices [k][n], or [n][k] where transposed, one for each group of the weights.
template <typename T>
void pack_panels(const Packing<T>& packing, const ProductShape& shape, bool transposed, const T* b,
                 PackedWeights<T>& packed);

// Below 2^31: of fewer than 2^23 bytes.
int32_t sum_of(const uint8_t* q, int64_t count);

}  // namespace q
