// Images in another size: where each output pixel reads along an axis, in ONNX's words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "q/op.h"

namespace q {

// Along one axis: output position i is the sum over its taps of weight * input, taps [i * taps, (i + 1) *
// taps).
struct ResizeAxis {
  int64_t taps = 1;
  std::vector<int64_t> sources;
  std::vector<float> weights;
};

// The spatial extents of the output for an image of extents `in`. Throws when attributes do not fit.
Ints resized_extents(const Attrs& attrs, std::span<const int64_t> in);
// The table of spatial axis `axis`. Positions and weights are worked out in binary32, as PyTorch does.
ResizeAxis resize_axis(const Attrs& attrs, int axis, int64_t in, int64_t out);

// Resize and Upsample nodes of ONNX as attributes of interpolate.
bool map_resize(OnnxNode& node);

}  // namespace q
