#include "base/parallel.h"

#include <omp.h>

namespace q {

namespace {
int configured = 0;
}

void set_thread_count(int count) { configured = count; }
int thread_count() { return configured > 0 ? configured : omp_get_num_procs(); }

void parallel_range(int64_t count, void (*body)(const void*, int64_t), const void* context) {
  const int threads = thread_count();
  if (threads == 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(context, i);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

}  // namespace q
