// The geometry of transposed convolutions: which outputs are met by which taps.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "ops/shared/window.h"
#include "q/op.h"

namespace q {

inline std::span<const int64_t> spatial(const Shape& shape) { return shape.extents().subspan(2); }
inline Ints kernel_of(const Shape& weight) { return {spatial(weight).begin(), spatial(weight).end()}; }

// The attribute output_padding: zeros, or one entry per axis. PyTorch's rule: an entry below the stride or
// the dilation; more would be outputs that no window reaches.
Ints output_padding_of(const Attrs& attrs, const Window& window);
// Extent of the output without padding taken away.
int64_t full_extent(const Window& window, size_t axis, int64_t in);

// Outputs first, first + stride, … of an axis: an ordinary window of stride 1 reaches the pixels under them.
struct AxisPhase {
  int64_t first = 0, outputs = 0;
  std::vector<int64_t> taps{};  // the last one first, so that their pixels ascend
  int64_t begin = 0, dilation = 1;
};

// One phase of every axis.
using Phase = std::vector<AxisPhase>;
std::vector<Phase> phases_of(const Window& window, std::span<const int64_t> outputs);
// The taps of a phase among all of the kernel.
std::vector<int64_t> taps_of(const Phase& phase, const Ints& kernel);

// Outputs that no tap meets.
struct Gaps {
  int64_t lines = 0, extent = 0;                    // of all images, and of a line
  std::vector<bool> line_is_gap{};                  // of one image
  std::vector<std::pair<int64_t, int64_t>> runs{};  // [first, end) of the pixels of any other line
  bool any = false;
};
Gaps gaps_of(const Window& window, std::span<const int64_t> outputs, int64_t images);

}  // namespace q
