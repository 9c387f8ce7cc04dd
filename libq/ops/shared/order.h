// The first elements along an axis in the order of their values: what sort and topk are made of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "ops/shared/lines.h"
#include "ops/shared/move.h"
#include "q/op.h"

namespace q {

// Whether position a comes before position b: the greater value first when descending, a NaN counting as the
// greatest, as in PyTorch; of equal ones the lower position.
template <typename T>
struct ComesBefore {
  const T* line;
  int64_t step;
  bool descending;

  static bool less(T a, T b) { return a < b || (b != b && a == a); }
  bool operator()(float a, float b) const {
    const T x = line[static_cast<int64_t>(a) * step], y = line[static_cast<int64_t>(b) * step];
    const bool first = descending ? less(y, x) : less(x, y), second = descending ? less(x, y) : less(y, x);
    return first || (!second && a < b);
  }
};

// The positions of the k elements that come first, in order, to first[0 … k).
template <typename T>
void first_positions(const ComesBefore<T>& before, int64_t extent, int64_t k, float* first) {
  for (int64_t i = 0; i < k; ++i) first[i] = static_cast<float>(i);
  if (k < extent) {
    std::make_heap(first, first + k, before);  // the last one of them on top
    for (int64_t i = k; i < extent; ++i) {
      if (!before(static_cast<float>(i), first[0])) continue;
      std::pop_heap(first, first + k, before);
      first[k - 1] = static_cast<float>(i);
      std::push_heap(first, first + k, before);
    }
  }
  std::sort(first, first + k, before);  // no two are equal: any sort is stable
}

// Outputs: values of type T, float or uint8_t, and positions. Those of a line that is not dense are found in
// memory set aside here, hence one run at a time.
template <typename T>
Run compile_order(const CompileCall& call, int64_t k, bool descending) {
  // the input's elements are picked
  moved_element_bytes({call.attrs, call.in, call.out.first(1), call.constants, call.kernels});
  const Lines lines = lines_of(call);
  std::shared_ptr<float[]> scratch;
  if (lines.step > 1) scratch = std::make_shared<float[]>(static_cast<size_t>(lines.count() * k));
  return [lines, k, descending, scratch](const RunCall& run) {
    constexpr int64_t kGrain = 1 << 10;  // elements: some comparisons each
    parallel_blocks(lines.count(), std::max<int64_t>(1, kGrain / lines.extent),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t line = begin; line < end; ++line) {
                        const T* x = run.in[0].as<T>() + lines.start(line);
                        const int64_t start = Lines{lines.outer, k, lines.step}.start(line);
                        T* values = run.out[0].as<T>() + start;
                        float* positions = run.out[1].as<float>() + start;
                        float* first = lines.step > 1 ? scratch.get() + line * k : positions;
                        first_positions(ComesBefore<T>{x, lines.step, descending}, lines.extent, k, first);
                        for (int64_t i = 0; i < k; ++i) {
                          values[i * lines.step] = x[static_cast<int64_t>(first[i]) * lines.step];
                          positions[i * lines.step] = first[i];
                        }
                      }
                    });
  };
}

}  // namespace q
