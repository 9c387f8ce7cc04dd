#include "ops/shared/box.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/parallel.h"
#include "ops/shared/move.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements
constexpr int64_t kShortRun = 8;     // stepping to the next run costs as much as copying so many

int64_t count_of(const Box& box) {
  int64_t count = 1;
  for (size_t axis = 0; axis < static_cast<size_t>(box.rank); ++axis) count *= box.extents[axis];
  return count;
}

// With at least one axis, and a long one innermost where there is one nearby.
Box finished(Box box) {
  if (box.rank == 0) {
    box.rank = 1;
    box.extents[0] = box.from[0] = box.to[0] = 1;
  }
  const size_t last = static_cast<size_t>(box.rank) - 1;
  if (last > 0 && box.extents[last] < kShortRun && box.extents[last] < box.extents[last - 1])
    for (auto* steps : {&box.extents, &box.from, &box.to}) std::swap((*steps)[last], (*steps)[last - 1]);
  return box;
}

template <typename T>
void copy_run(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t count) {
  if (from_step == 1 && to_step == 1)
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  else if (from_step == 0 && to_step == 1)
    std::fill_n(to, count, *from);
  else
    for (int64_t i = 0; i < count; ++i) to[i * to_step] = from[i * from_step];
}

// Elements [first, end) of the box.
template <typename T>
void copy_part(const Box& box, const T* from, T* to, int64_t first, int64_t end) {
  const size_t last = static_cast<size_t>(box.rank) - 1;
  std::array<int64_t, Box::kMostAxes> at;
  from += box.first_from;
  to += box.first_to;
  int64_t rest = first;
  for (size_t axis = last + 1; axis-- > 0; rest /= box.extents[axis]) {
    at[axis] = rest % box.extents[axis];
    from += at[axis] * box.from[axis];
    to += at[axis] * box.to[axis];
  }
  while (true) {
    const int64_t count = std::min(box.extents[last] - at[last], end - first);
    copy_run(from, box.from[last], to, box.to[last], count);
    first += count;
    if (first == end) return;
    from -= at[last] * box.from[last];
    to -= at[last] * box.to[last];
    at[last] = 0;
    for (size_t axis = last; axis-- > 0;) {
      from += box.from[axis];
      to += box.to[axis];
      if (++at[axis] < box.extents[axis]) break;
      from -= at[axis] * box.from[axis];
      to -= at[axis] * box.to[axis];
      at[axis] = 0;
    }
  }
}

}  // namespace

void Box::add(int64_t extent, int64_t from_step, int64_t to_step) {
  if (extent == 1) return;
  const size_t next = static_cast<size_t>(rank);
  if (rank > 0 && from[next - 1] == extent * from_step && to[next - 1] == extent * to_step) {
    extents[next - 1] *= extent;
    from[next - 1] = from_step;
    to[next - 1] = to_step;
    return;
  }
  extents[next] = extent;
  from[next] = from_step;
  to[next] = to_step;
  ++rank;
}

std::array<int64_t, kMaxRank> steps_of(const Shape& shape) {
  std::array<int64_t, kMaxRank> steps{};
  int64_t step = 1;
  for (int axis = shape.rank; axis-- > 0; step *= shape[axis]) steps[static_cast<size_t>(axis)] = step;
  return steps;
}

template <typename T>
Run compile_boxes(const CompileCall& call, std::vector<Box> boxes) {
  moved_element_bytes(call);
  for (Box& box : boxes) box = finished(box);
  return [shared = std::make_shared<const std::vector<Box>>(std::move(boxes))](const RunCall& run) {
    for (size_t i = 0; i < shared->size(); ++i) {
      const Box& box = (*shared)[i];
      parallel_blocks(count_of(box), kGrain, [&](int64_t first, int64_t end) {
        copy_part(box, run.in[0].as<T>(), run.out[i].as<T>(), first, end);
      });
    }
  };
}

template Run compile_boxes<float>(const CompileCall& call, std::vector<Box> boxes);
template Run compile_boxes<uint8_t>(const CompileCall& call, std::vector<Box> boxes);

}  // namespace q
