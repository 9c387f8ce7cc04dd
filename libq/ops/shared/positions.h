// Positions along an axis as results: float32, which holds whole numbers up to 2^24.
#pragma once

#include "base/text.h"
#include "q/op.h"

namespace q {

// Throws unless positions along that axis can be told; of a free extent they can.
inline void check_positions(const Shape& shape, int axis) {
  constexpr int64_t kMost = int64_t{1} << 24;
  if (shape[axis] == 0 || shape[axis] > kMost)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(shape), ", wanted 1 to ", kMost, " elements along axis ", axis));
}

}  // namespace q
