#include "ops/shared/pool.h"

#include <limits>
#include <utility>

#include "base/text.h"

namespace q {

namespace {

std::span<const int64_t> spatial(const Shape& shape) { return shape.extents().subspan(2); }

// First position under a window, counted from the start of the image.
int64_t window_start(const Window& window, size_t axis, int64_t output) {
  return output * window.strides[axis] - window.begins[axis];
}

// Positions under a window that lie inside of the image: taps [first, end).
std::pair<int64_t, int64_t> taps_inside(const Window& window, size_t axis, int64_t in, int64_t output) {
  const int64_t start = window_start(window, axis, output), step = window.dilations[axis];
  const int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  const int64_t end = start < in ? (in - start + step - 1) / step : 0;
  return {first, std::min(end, window.kernel[axis])};
}

void check_windows(const Window& window, size_t axis, int64_t in, int64_t outputs) {
  if (is_free(in)) return;
  const auto check = [&](int64_t output) {
    const auto [first, end] = taps_inside(window, axis, in, output);
    if (first >= end)
      throw Error(ErrorKind::kInvalid,
                  text("pads are ", window.begins[axis], " and ", window.ends[axis], " on spatial axis ",
                       axis, " of extent ", in, ": window ", output, " lies in the padding alone"));
  };
  // windows that begin inside of the image see its first position at least
  for (int64_t output = 0; output < outputs && window_start(window, axis, output) < 0; ++output)
    check(output);
  check(outputs - 1);
}

// Output i sees the positions from floor(i * in / out) to ceil((i + 1) * in / out).
PooledAxis adaptive_axis(int64_t in, int64_t outputs) {
  PooledAxis axis{.in = in, .first = {0}, .positions = {}, .covered = {}};
  for (int64_t i = 0; i < outputs; ++i) {
    const int64_t begin = i * in / outputs, end = ((i + 1) * in + outputs - 1) / outputs;
    for (int64_t position = begin; position < end; ++position) axis.positions.push_back(position);
    axis.first.push_back(std::ssize(axis.positions));
    axis.covered.push_back(end - begin);
  }
  return axis;
}

}  // namespace

std::vector<Shape> infer_pool(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  if (shape.rank < 3 || shape.rank > 5)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(shape), ", wanted rank 3 to 5"));
  const Window window = window_of(attrs, attr_ints(attrs, "kernel_shape"));
  Ints out = window_outputs(window, spatial(shape));
  for (size_t axis = 0; axis < out.size(); ++axis)
    check_windows(window, axis, spatial(shape)[axis], out[axis]);
  out.insert(out.begin(), {shape[0], shape[1]});
  return {make_shape(out)};
}

std::vector<PooledAxis> pooled_axes(const CompileCall& call) {
  const Window window = window_of(call.attrs, attr_ints(call.attrs, "kernel_shape"));
  const std::span<const int64_t> in = spatial(call.in[0].shape), out = spatial(call.out[0].shape);
  std::vector<PooledAxis> axes(in.size());
  for (size_t axis = 0; axis < in.size(); ++axis) {
    PooledAxis& pooled = axes[axis];
    pooled.in = in[axis];
    for (int64_t output = 0; output < out[axis]; ++output) {
      const int64_t start = window_start(window, axis, output), step = window.dilations[axis];
      const auto [first, end] = taps_inside(window, axis, in[axis], output);
      pooled.first.push_back(std::ssize(pooled.positions));
      for (int64_t tap = first; tap < end; ++tap) pooled.positions.push_back(start + tap * step);
      // the last window of ceil_mode may reach beyond the padding, which does not count
      const int64_t room = in[axis] + window.ends[axis] - start;
      pooled.covered.push_back(std::min(window.kernel[axis], (room + step - 1) / step));
    }
    pooled.first.push_back(std::ssize(pooled.positions));
  }
  return axes;
}

std::vector<Shape> infer_adaptive_pool(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const Ints& size = attr_ints(attrs, "output_size");
  if (out.rank < 3 || out.rank > 5 || std::ssize(size) != out.rank - 2)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(out), ", output_size has ", size.size(),
                                          " entries, wanted rank 3 to 5 and an entry per spatial axis"));
  for (int axis = 2; axis < out.rank; ++axis) {
    const int64_t outputs = size[static_cast<size_t>(axis) - 2];
    if (outputs < 1 || outputs > INT32_MAX)
      throw Error(ErrorKind::kInvalid, text("output_size holds ", outputs, ", wanted 1 to ", INT32_MAX));
    if (!is_free(out[axis]) && (out[axis] < 1 || out[axis] > INT32_MAX))
      throw Error(ErrorKind::kInvalid,
                  text("input is ", to_string(out), ", wanted extents of 1 to ", INT32_MAX));
    out[axis] = outputs;
  }
  return {out};
}

std::vector<PooledAxis> adaptive_axes(const CompileCall& call) {
  const Ints& size = attr_ints(call.attrs, "output_size");
  std::vector<PooledAxis> axes;
  for (size_t i = 0; i < size.size(); ++i)
    axes.push_back(adaptive_axis(call.in[0].shape[static_cast<int>(i) + 2], size[i]));
  return axes;
}

void pool_to_one(OnnxNode& node) {
  const int rank = node.inputs.at(0).type.shape.rank;
  node.attrs.insert_or_assign("output_size", Ints(static_cast<size_t>(std::max(0, rank - 2)), 1));
}

void pool_whole_image(OnnxNode& node) {
  const Shape& shape = node.inputs.at(0).type.shape;
  Ints kernel;
  for (int axis = 2; axis < shape.rank; ++axis) {
    if (is_free(shape[axis]))
      throw Error(ErrorKind::kUnsupported,
                  text("input is ", to_string(shape), ", wanted fixed spatial extents"));
    kernel.push_back(shape[axis]);
  }
  node.attrs.insert_or_assign("kernel_shape", kernel);
}

std::shared_ptr<const Pool> plan_pool(const CompileCall& call, std::vector<PooledAxis> axes) {
  constexpr int64_t kBlockElements = 1 << 15;  // read by one block of tasks
  constexpr int64_t kMostBlocks = 256;         // bounds the scratch of very large windows
  constexpr int64_t kFewPixels = 32, kChannelBlock = 256;
  auto pool = std::make_shared<Pool>();
  while (axes.size() < 3) axes.insert(axes.begin(), PooledAxis{1, {0, 1}, {0}, {1}});
  std::move(axes.begin(), axes.end(), pool->axes.begin());
  pool->images = call.in[0].shape[0];
  pool->channels = call.in[0].shape[1];
  for (const PooledAxis& axis : pool->axes) {
    int64_t most = 0;
    for (size_t i = 0; i < axis.covered.size(); ++i) most = std::max(most, axis.first[i + 1] - axis.first[i]);
    pool->pixels *= std::ssize(axis.covered);
    pool->max_taps *= most;
  }
  // a pool to a single pixel is split by channels instead
  const bool few_pixels = pool->images * pool->pixels < kFewPixels;
  pool->channel_block =
      std::max<int64_t>(1, few_pixels ? std::min(pool->channels, kChannelBlock) : pool->channels);
  const int64_t tasks =
      pool->images * pool->pixels * ((pool->channels + pool->channel_block - 1) / pool->channel_block);
  pool->grain =
      std::max<int64_t>({1, kBlockElements / std::max<int64_t>(1, pool->max_taps * pool->channel_block),
                         (tasks + kMostBlocks - 1) / kMostBlocks});
  pool->scratch = RowScratch((tasks + pool->grain - 1) / pool->grain, pool->max_taps);
  return pool;
}

void check_average_taps(const std::vector<PooledAxis>& axes) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() / 255;
  int64_t taps = 1;
  for (const PooledAxis& axis : axes) {
    int64_t most = 0;
    for (size_t i = 0; i < axis.covered.size(); ++i) most = std::max(most, axis.first[i + 1] - axis.first[i]);
    if (__builtin_mul_overflow(taps, most, &taps) || taps > kMost)
      throw Error(ErrorKind::kUnsupported, text("a window of more than ", kMost, " pixels"));
  }
}

}  // namespace q
