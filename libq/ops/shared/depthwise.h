// Convolutions in which every channel is a group of its own: sums over the taps of a window, all channels of
// a pixel at once.
//   C[r][c] = out( sum over taps t of A(r, t)[c] * weight[c][0][t] )
#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"
#include "q/tensor.h"

namespace q {

template <typename T>
struct Depthwise {
  int64_t channels = 0, taps = 0;
  void (*kernel)(const typename WeightedTypes<T>::Depthwise&) = nullptr;
  Tensor values{};              // [taps][channels]
  Tensor bias{}, multiplier{};  // [channels]
  typename WeightedTypes<T>::Out out{};
  ImageRows rows{};
  Tensor padding{};        // the row outside of an image
  int64_t block_rows = 0;  // of a block of work, whatever the number of threads
  RowScratch scratch{};
};
// weights: groups of one column and k = 1. Their taps are a multiple of rows.window.taps, as for plan_gemm.
template <typename T>
Depthwise<T> plan_depthwise(const Weights<T>& weights, ImageRows rows, const Kernels& kernels);

// c: [rows.count][channels], dense.
template <typename T>
void run_depthwise(const Depthwise<T>& depthwise, const T* a, T* c);

}  // namespace q
