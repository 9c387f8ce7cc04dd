#include "base/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>

namespace q {

namespace {
int configured = 0;

constexpr int64_t kMostThreads = 256;

// Indices from `next` on that nobody has begun.
struct alignas(64) Share {
  std::atomic<int64_t> next;
  int64_t end;
};

}  // namespace

void set_thread_count(int count) { configured = count; }
int thread_count() { return configured > 0 ? configured : omp_get_num_procs(); }

void parallel_range(int64_t count, void (*body)(const void*, int64_t), const void* context) {
  const int64_t threads = std::min<int64_t>({thread_count(), count, kMostThreads});
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i) body(context, i);
    return;
  }
  // Each thread begins with its own share, the same one in every call, because what it wrote in the call
  // before is in its cache; then it helps the others.
  Share shares[kMostThreads];
  for (int64_t t = 0; t < threads; ++t) {
    shares[t].next.store(count * t / threads, std::memory_order_relaxed);
    shares[t].end = count * (t + 1) / threads;
  }
#pragma omp parallel num_threads(static_cast <int>(threads))
  {
    const int64_t own = omp_get_thread_num();
    for (int64_t turn = 0; turn < threads; ++turn) {
      Share& share = shares[(own + turn) % threads];
      for (;;) {
        const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        body(context, i);
      }
    }
  }
}

}  // namespace q
