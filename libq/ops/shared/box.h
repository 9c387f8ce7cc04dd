// Boxes of elements that move from one place in memory to another: what slices, splits, repeats and reorders
// are made of.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "q/op.h"

namespace q {

// Axes from the outermost in; along each one, neighbours lie `from` elements apart where they are read and
// `to` where they are written.
struct Box {
  static constexpr int kMostAxes = 2 * kMaxRank;

  int rank = 0;
  std::array<int64_t, kMostAxes> extents{}, from{}, to{};
  int64_t first_from = 0, first_to = 0;  // of the first element

  // Adds an axis inside of the others; it is joined to the one before where the two are one in memory.
  void add(int64_t extent, int64_t from_step, int64_t to_step);
};

// Elements between neighbours along each axis of a dense tensor in row-major order.
std::array<int64_t, kMaxRank> steps_of(const Shape& shape);

// Copies box i from the first input to output i. T: float or uint8_t.
template <typename T>
Run compile_boxes(const CompileCall& call, std::vector<Box> boxes);

}  // namespace q
