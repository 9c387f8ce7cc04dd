#include "exec/arena.h"

#include <algorithm>
#include <numeric>

namespace q {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSlack = 64;

size_t footprint(const Buffer& buffer) {
  return (buffer.bytes + kSlack + kAlignment - 1) / kAlignment * kAlignment;
}

bool alive_together(const Buffer& a, const Buffer& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

size_t plan_arena(std::vector<Buffer>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<const Buffer*> placed;  // by offset
  size_t total = 0;
  for (size_t index : order) {
    Buffer& buffer = buffers[index];
    buffer.offset = 0;
    for (const Buffer* other : placed) {
      if (!alive_together(buffer, *other)) continue;
      if (buffer.offset + footprint(buffer) <= other->offset) break;
      buffer.offset = std::max(buffer.offset, other->offset + footprint(*other));
    }
    total = std::max(total, buffer.offset + footprint(buffer));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                   [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                  &buffer);
  }
  return total;
}

}  // namespace q
