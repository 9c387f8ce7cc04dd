// One block of memory for all intermediate tensors: those that never live at the same time share their place.
#pragma once

#include <cstddef>
#include <vector>

namespace q {

// Written at step `first`, last read at step `last`.
struct Buffer {
  size_t bytes = 0;
  int first = 0, last = 0;
  size_t offset = 0;
};

// Gives every buffer an offset (a multiple of 64, with 64 readable bytes behind it) and returns the size of
// the whole. The largest are placed first, each at the lowest offset free during its life.
size_t plan_arena(std::vector<Buffer>& buffers);

}  // namespace q
