// Channels-last storage: which tensors have it, their extents in that order, and the conversions.
#pragma once

#include "q/op.h"
#include "q/tensor.h"

namespace q {

// True for ranks that have a channels-last form (3 to 5).
constexpr bool has_channels(int rank) { return rank >= 3 && rank <= 5; }
// [N,C,H,W] → [N,H,W,C]. Precondition: has_channels(rank).
Shape stored_shape(const Shape& logical);
// Where an axis of the logical shape went.
int stored_axis(int axis, int rank);
// True when both orders have the same bytes: one channel, or one pixel.
bool same_bytes(const Shape& logical);
// Moves elements of `element_bytes` (1, 2, 4, 8) of a tensor of this logical shape from row-major to
// channels-last.
void to_channels_last(const std::byte* from, std::byte* to, const Shape& logical, size_t element_bytes);
// And back.
void to_row_major(const std::byte* from, std::byte* to, const Shape& logical, size_t element_bytes);

}  // namespace q
