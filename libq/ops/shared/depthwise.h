// Convolutions in which every channel is a group of its own: sums over the taps of a window, all channels of
// a line of pixels at once.
//   C[r][c] = out( sum over taps t of A(r, t)[c] * weight[c][0][t] )
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "ops/shared/gemm.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"
#include "q/tensor.h"

namespace q {

template <typename T>
struct Depthwise {
  typename WeightedTypes<T>::Depthwise line{};  // what is the same for every piece of a line
  void (*kernel)(const typename WeightedTypes<T>::Depthwise&) = nullptr;
  Tensor values{};              // [taps][channels]
  Tensor bias{}, multiplier{};  // [channels, up to a multiple of kChannelBlock]
  ImageRows rows{};
  Tensor padding{};                  // the row outside of an image
  std::vector<int64_t> positions{};  // along a line, as the kernel counts them: as in OffsetTable::inner
  int64_t piece_pixels = 0;          // a line is computed in pieces …
  int64_t line_pieces = 0;
  int64_t block_pieces = 0;  // … and a block of work is some of these, whatever the number of threads
  RowScratch scratch{};
};
// weights: groups of one column and k = 1. Their taps are a multiple of rows.window.taps, as for plan_gemm.
template <typename T>
Depthwise<T> plan_depthwise(const Weights<T>& weights, ImageRows rows, const Kernels& kernels);

// c: [rows.count][channels], dense. done: as for run_gemm.
template <typename T>
void run_depthwise(const Depthwise<T>& depthwise, const T* a, T* c, const PartDone& done);

}  // namespace q
