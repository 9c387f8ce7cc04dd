// Pooling over 1 to 3 spatial axes: each output pixel is computed, channel by channel, from the pixels under
// its window.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "ops/shared/window.h"
#include "q/op.h"

namespace q {

// What lies under the windows along one spatial axis.
struct PooledAxis {
  int64_t in = 1;
  std::vector<int64_t> first;      // [outputs + 1]: where an output's positions begin
  std::vector<int64_t> positions;  // inside of the image
  std::vector<int64_t> covered;    // [outputs]: positions when padding counts too
};

// One output pixel.
struct PooledPixel {
  size_t taps;      // pixels of the image
  int64_t covered;  // pixels of the image and its padding
};

// Extents of the output of a pool with the attributes kernel_shape, strides, pads, ceil_mode and perhaps
// dilations. Throws when a window would lie in the padding alone.
std::vector<Shape> infer_pool(const Attrs& attrs, std::span<const TensorType> in);
// The windows of such a pool.
std::vector<PooledAxis> pooled_axes(const CompileCall& call);

// The same of windows that divide each spatial axis into as many outputs as the attribute output_size says.
std::vector<Shape> infer_adaptive_pool(const Attrs& attrs, std::span<const TensorType> in);
std::vector<PooledAxis> adaptive_axes(const CompileCall& call);
// A node of ONNX whose window is the whole image: output_size becomes ones, …
void pool_to_one(OnnxNode& node);
// … or kernel_shape becomes the image's extents. Throws when they are free.
void pool_whole_image(OnnxNode& node);

// Images stored channels-last and the windows over them; `axes` has three entries, the first ones trivial for
// lower ranks.
struct Pool {
  std::array<PooledAxis, 3> axes;
  int64_t images = 0, channels = 0;
  int64_t pixels = 1, max_taps = 1;  // of one image; of one pixel
  int64_t channel_block = 1;         // channels that one task computes
  int64_t grain = 1;                 // tasks of one block
  RowScratch scratch;
};

std::shared_ptr<const Pool> plan_pool(const CompileCall& call, std::vector<PooledAxis> axes);

// The rows, of channels from `image` on, under the window of an output pixel.
template <typename T>
PooledPixel fill_pool_rows(const Pool& pool, int64_t pixel, const T* image, const T** rows) {
  const auto& [outer, middle, inner] = pool.axes;
  const int64_t inner_outputs = std::ssize(inner.covered), middle_outputs = std::ssize(middle.covered);
  const size_t z = static_cast<size_t>(pixel / inner_outputs / middle_outputs);
  const size_t y = static_cast<size_t>(pixel / inner_outputs % middle_outputs);
  const size_t x = static_cast<size_t>(pixel % inner_outputs);
  size_t taps = 0;
  for (int64_t k = outer.first[z]; k < outer.first[z + 1]; ++k) {
    const T* plane = image + outer.positions[static_cast<size_t>(k)] * middle.in * inner.in * pool.channels;
    for (int64_t j = middle.first[y]; j < middle.first[y + 1]; ++j) {
      const T* line = plane + middle.positions[static_cast<size_t>(j)] * inner.in * pool.channels;
      for (int64_t i = inner.first[x]; i < inner.first[x + 1]; ++i)
        rows[taps++] = line + inner.positions[static_cast<size_t>(i)] * pool.channels;
    }
  }
  return {taps, outer.covered[z] * middle.covered[y] * inner.covered[x]};
}

// kernel(rows, pixel, channels, out) for every output pixel.
template <typename T, typename Kernel>
Run compile_pool(const CompileCall& call, std::vector<PooledAxis> axes, const Kernel& kernel) {
  return [pool = plan_pool(call, std::move(axes)), kernel](const RunCall& run) {
    const int64_t blocks = (pool->channels + pool->channel_block - 1) / pool->channel_block;
    const int64_t image_elements = pool->axes[0].in * pool->axes[1].in * pool->axes[2].in * pool->channels;
    const T* in = run.in[0].template as<T>();
    T* out = run.out[0].template as<T>();
    parallel_blocks(pool->images * pool->pixels * blocks, pool->grain, [&](int64_t first, int64_t end) {
      const T* stack[kRowsOnStack];
      const T** rows = pool->scratch.of_block(first / pool->grain, stack);
      for (int64_t task = first; task < end; ++task) {
        const int64_t pixel = task / blocks, channel = task % blocks * pool->channel_block;
        const T* image = in + pixel / pool->pixels * image_elements + channel;
        const PooledPixel found = fill_pool_rows(*pool, pixel % pool->pixels, image, rows);
        kernel(rows, found, static_cast<size_t>(std::min(pool->channel_block, pool->channels - channel)),
               out + pixel * pool->channels + channel);
      }
    });
  };
}

// Averages of u8 over at most so many pixels fit in int32. Throws when there are more.
void check_average_taps(const std::vector<PooledAxis>& axes);

}  // namespace q
