// Matrix products: one packing and one tile loop for all operators that are sums over rows of activations.
//   C[r][g * columns + n] = out( sum over taps t and i < k of A(r, t)[g * k + i] * weight[g * columns +
//   n][i][t] )
// A(r, t) is found through a table: a row of the image under tap t of a window, or simply row r.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"
#include "q/op.h"
#include "q/tensor.h"

namespace q {

// Weights in the order in which the kernel of one instruction set reads them.
template <typename T>
struct PackedWeights {
  WeightsShape shape;
  int64_t mr = 0, nr = 0;  // rows and columns of the kernel's tile
  int64_t panels = 0;      // of nr columns, per group; the last one is filled up with zeros
  int64_t panel_elements = 0;
  void (*kernel)(const typename WeightedTypes<T>::Gemm&) = nullptr;
  void (*real_kernel)(const typename WeightedTypes<T>::RealGemm&) = nullptr;
  Tensor values{};                        // [groups][panels][taps][ceil(k / step)][nr][step]
  Tensor bias{}, multiplier{}, offset{};  // [groups][panels * nr]
  typename WeightedTypes<T>::Out out{};   // its arrays are those of all groups
  typename WeightedTypes<T>::RealOut real_out{};
};
template <typename T>
PackedWeights<T> pack_weights(const Weights<T>& weights, const Kernels& kernels);
// Room for weights of this shape, all zeros and so their bias; multiplier: of all columns.
template <typename T>
PackedWeights<T> unpacked_weights(const WeightsShape& shape, typename WeightedTypes<T>::Out out,
                                  float multiplier, const Kernels& kernels);

// Told of a part of an output; empty: nobody listens.
using PartDone = std::function<void(const Part&)>;
// Calls the epilogue with the operands of a run; both must outlive it. Small enough to need no allocation.
inline PartDone part_done(const RunPart& epilogue, const RunCall& run) {
  if (!epilogue) return {};
  return [&epilogue, &run](const Part& part) { epilogue(run, part); };
}

// Where a group's elements of A and C begin, which are its weights, and the first of its row_bias.
struct GroupPlace {
  int64_t a, c, weights, row;
};

// Where the rows of C lie, in elements, when not one behind the other: pixel inner of line outer of an image
// at image * image_stride + lines[outer] + inner * step.
struct RowPlaces {
  int64_t image_stride = 0, step = 0;
  std::vector<int64_t> lines{};
};

// A product ready to run, cut into blocks of work that do not depend on the number of threads.
template <typename T>
struct Gemm {
  PackedWeights<T> weights;
  ImageRows rows{};
  std::vector<GroupPlace> groups{};
  int64_t c_stride = 0;                      // elements from one row of C to the next …
  RowPlaces places{};                        // … unless they lie as this says
  int64_t row_step = 0;                      // elements from one row to the next; 0 when they lie otherwise
  Tensor padding{};                          // the row outside of an image
  Tensor row_bias{};                         // what sums of u8 start from, a number per row; or none
  int64_t block_rows = 0, block_panels = 0;  // of a block
  int64_t row_blocks = 0, panel_blocks = 0;
  bool rows_fastest = false;  // the order of the blocks
  RowScratch scratch{};

  int64_t blocks() const { return std::ssize(groups) * row_blocks * panel_blocks; }
};
// weights.shape.taps is a multiple of rows.window.taps: all taps of the window come again for every part of
// the weights.
template <typename T>
Gemm<T> plan_gemm(const Weights<T>& weights, ImageRows rows, const Kernels& kernels);
// The same of groups that lie anywhere.
template <typename T>
Gemm<T> plan_gemm(PackedWeights<T> weights, ImageRows rows, T padding, std::vector<GroupPlace> groups,
                  int64_t c_stride);

// c: [rows.count][groups * columns], dense. done: called by the threads that work, with every part of c once
// it is computed.
template <typename T>
void run_gemm(const Gemm<T>& gemm, const T* a, T* c, const PartDone& done);
// Several at once, which share the threads.
template <typename T>
void run_gemms(std::span<const Gemm<T>> gemms, const T* a, T* c, const PartDone& done);

// Pointers to `count` rows as kernels take them: [tiles][taps][mr], row(r) under all taps. There must be room
// for pointers_to(weights, count) of them.
template <typename T>
int64_t pointers_to(const PackedWeights<T>& weights, int64_t count) {
  return (count + weights.mr - 1) / weights.mr * weights.mr * weights.shape.taps;
}
template <typename T, typename RowAt>
void point_to(const PackedWeights<T>& weights, int64_t count, const RowAt& row, const T** pointers) {
  const int64_t mr = weights.mr, taps = weights.shape.taps;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t tap = 0; tap < taps; ++tap) pointers[(r / mr * taps + tap) * mr + r % mr] = row(r);
  }
}
// Of so many rows behind pointers the products with real_weights, of one group: c [count][columns].
template <typename T>
void multiply_rows(const PackedWeights<T>& weights, int64_t count, const T* const* pointers, float* c);

}  // namespace q
