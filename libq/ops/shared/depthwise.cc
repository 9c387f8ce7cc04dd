#include "ops/shared/depthwise.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"

namespace q {

namespace {

// Multiply-adds that make a block of rows worth handing to a thread: some microseconds.
constexpr int64_t kBlockMacs = int64_t{1} << 17;

void set_kernel(const Kernels& kernels, Depthwise<uint8_t>& depthwise) {
  depthwise.kernel = kernels.depthwise_u8i8;
  depthwise.out.bias = depthwise.bias.as<int32_t>();
  depthwise.out.multiplier = depthwise.multiplier.as<float>();
}

void set_kernel(const Kernels& kernels, Depthwise<float>& depthwise) {
  depthwise.kernel = kernels.depthwise_f32;
  depthwise.out.bias = depthwise.bias.as<float>();
}

template <typename T>
void run_block(const Depthwise<T>& depthwise, int64_t first_row, int64_t end_row, const T* a, T* c) {
  const OffsetTable& window = depthwise.rows.window;
  const T* padding = depthwise.padding.template as<T>();
  const T* stack[kRowsOnStack];
  const T** taps = depthwise.scratch.of_block(first_row / depthwise.block_rows, stack);
  typename WeightedTypes<T>::Depthwise pixel{};
  pixel.channels = static_cast<size_t>(depthwise.channels);
  pixel.taps = static_cast<size_t>(depthwise.taps);
  pixel.rows = taps;
  pixel.weights = depthwise.values.template as<typename WeightedTypes<T>::Weight>();
  pixel.out = depthwise.out;
  RowCursor cursor(depthwise.rows, first_row);
  for (int64_t row = first_row; row < end_row; ++row, cursor.advance(window)) {
    const T* image = a + cursor.image * depthwise.rows.image_stride;
    for (int64_t tap = 0; tap < depthwise.taps; tap += window.taps)
      fill_rows(window, cursor.outer, cursor.inner, image, padding, 1, taps + tap);
    pixel.c = c + row * depthwise.channels;
    depthwise.kernel(pixel);
  }
}

}  // namespace

template <typename T>
Depthwise<T> plan_depthwise(const Weights<T>& weights, ImageRows rows, const Kernels& kernels) {
  using Weight = typename WeightedTypes<T>::Weight;
  Depthwise<T> depthwise{.channels = weights.shape.groups, .taps = weights.shape.taps};
  const int64_t channels = depthwise.channels, taps = depthwise.taps;
  depthwise.values = make_tensor(dtype_of<Weight>, Shape{taps, channels});
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t t = 0; t < taps; ++t)
      depthwise.values.template as<Weight>()[t * channels + c] =
          weights.values[static_cast<size_t>(c * taps + t)];
  }
  depthwise.bias = per_column(weights.bias, weights.shape, 1);
  depthwise.multiplier = per_column(weights.multiplier, weights.shape, 1);
  depthwise.out = weights.out;
  set_kernel(kernels, depthwise);
  depthwise.padding = constant_row(channels, weights.padding);
  depthwise.block_rows = std::max<int64_t>(1, kBlockMacs / (channels * taps));
  depthwise.scratch = RowScratch((rows.count + depthwise.block_rows - 1) / depthwise.block_rows, taps);
  depthwise.rows = std::move(rows);
  return depthwise;
}

template <typename T>
void run_depthwise(const Depthwise<T>& depthwise, const T* a, T* c) {
  parallel_blocks(depthwise.rows.count, depthwise.block_rows,
                  [&](int64_t first, int64_t end) { run_block(depthwise, first, end, a, c); });
}

template Depthwise<uint8_t> plan_depthwise(const Weights<uint8_t>&, ImageRows, const Kernels&);
template Depthwise<float> plan_depthwise(const Weights<float>&, ImageRows, const Kernels&);
template void run_depthwise(const Depthwise<uint8_t>&, const uint8_t*, uint8_t*);
template void run_depthwise(const Depthwise<float>&, const float*, float*);

}  // namespace q
