// Threads: the only place that starts any.
#pragma once

#include <cstdint>
#include <type_traits>

namespace q {

void set_thread_count(int count);  // 0: one per core
int thread_count();

// Calls body(context, i) once for each i in [0, count), spread over the threads; returns when all are done.
// One thread does it all without a barrier when count is 1. body must not throw; which thread runs which i is
// not defined.
void parallel_range(int64_t count, void (*body)(const void* context, int64_t i), const void* context);

template <typename Body>
void parallel_for(int64_t count, const Body& body) {
  parallel_range(
      count, [](const void* context, int64_t i) { (*static_cast<const Body*>(context))(i); }, &body);
}

// Cuts `total` items into blocks of at least `grain` (the same blocks for every thread count) and calls
// body(first, end) for each.
template <typename Body>
void parallel_blocks(int64_t total, int64_t grain, const Body& body) {
  if (total <= 0) return;
  parallel_for((total + grain - 1) / grain, [&](int64_t block) {
    const int64_t first = block * grain;
    body(first, first + grain < total ? first + grain : total);
  });
}

}  // namespace q
