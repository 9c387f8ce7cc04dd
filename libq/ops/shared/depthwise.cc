#include "ops/shared/depthwise.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"

namespace q {

namespace {

// Multiply-adds that make a piece worth handing to a thread: some microseconds.
constexpr int64_t kPieceMacs = int64_t{1} << 17;

int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

void set_kernel(const Kernels& kernels, Depthwise<uint8_t>& depthwise) {
  depthwise.kernel = kernels.depthwise_u8i8;
  depthwise.line.weights = depthwise.values.as<int8_t>();
  depthwise.line.out.bias = depthwise.bias.as<int32_t>();
  depthwise.line.out.multiplier = depthwise.multiplier.as<float>();
}

void set_kernel(const Kernels& kernels, Depthwise<float>& depthwise) {
  depthwise.kernel = kernels.depthwise_f32;
  depthwise.line.weights = depthwise.values.as<float>();
  depthwise.line.out.bias = depthwise.bias.as<float>();
}

// Where the positions of a line lie, and how pixels and taps step through them. Pixels share positions where
// their windows overlap; where that leaves too many in between that nobody sees, each pixel has its own.
template <typename T>
void set_positions(Depthwise<T>& depthwise) {
  const OffsetTable& window = depthwise.rows.window;
  int64_t stride = window.inner_stride, dilation = window.inner_dilation;
  int64_t count = (window.inner_pixels - 1) * stride + (window.inner_taps - 1) * dilation + 1;
  if (count > window.inner_pixels * window.inner_taps) {
    stride = window.inner_taps;
    dilation = 1;
    count = window.inner_pixels * window.inner_taps;
  }
  depthwise.positions.assign(static_cast<size_t>(count), -1);
  for (int64_t x = 0; x < window.inner_pixels; ++x) {
    for (int64_t i = 0; i < window.inner_taps; ++i)
      depthwise.positions[static_cast<size_t>(x * stride + i * dilation)] =
          window.inner[static_cast<size_t>(x * window.inner_taps + i)];
  }
  depthwise.line.stride = static_cast<size_t>(stride);
  depthwise.line.dilation = static_cast<size_t>(dilation);
  depthwise.line.inner_taps = static_cast<size_t>(window.inner_taps);
}

template <typename T>
int64_t positions_of(const Depthwise<T>& depthwise, int64_t pixels) {
  const auto& line = depthwise.line;
  return static_cast<int64_t>((static_cast<size_t>(pixels) - 1) * line.stride +
                              (line.inner_taps - 1) * line.dilation + 1);
}

// Pixels from `pixel` on of a line, counted over all images.
template <typename T>
Part run_piece(const Depthwise<T>& depthwise, int64_t line, int64_t pixel, const T** rows, const T* a, T* c) {
  const OffsetTable& window = depthwise.rows.window;
  const int64_t image_lines = window.pixels / window.inner_pixels;
  const T* image = a + line / image_lines * depthwise.rows.image_stride;
  const int64_t* outer = window.outer.data() + line % image_lines * window.outer_taps;
  const int64_t pixels = std::min(depthwise.piece_pixels, window.inner_pixels - pixel);
  const int64_t* position = depthwise.positions.data() + pixel * static_cast<int64_t>(depthwise.line.stride);
  const int64_t outer_taps = static_cast<int64_t>(depthwise.line.outer_taps);
  const T* padding = depthwise.padding.template as<T>();
  const T** row = rows;
  for (int64_t left = positions_of(depthwise, pixels); left > 0; --left, ++position) {
    for (int64_t part = 0; part < outer_taps; part += window.outer_taps) {
      for (int64_t o = 0; o < window.outer_taps; ++o) {
        const int64_t offset = outer[o] + *position;
        *row++ = offset < 0 ? padding : image + offset;
      }
    }
  }
  auto call = depthwise.line;
  call.pixels = static_cast<size_t>(pixels);
  call.rows = rows;
  const int64_t channels = static_cast<int64_t>(call.channels);
  const Part part{.first = (line * window.inner_pixels + pixel) * channels, .count = pixels * channels};
  call.c = c + part.first;
  depthwise.kernel(call);
  return part;
}

}  // namespace

template <typename T>
Depthwise<T> plan_depthwise(const Weights<T>& weights, ImageRows rows, const Kernels& kernels) {
  using Weight = typename WeightedTypes<T>::Weight;
  Depthwise<T> depthwise{.rows = std::move(rows)};
  const OffsetTable& window = depthwise.rows.window;
  const int64_t channels = weights.shape.groups, taps = weights.shape.taps;
  depthwise.values = make_tensor(dtype_of<Weight>, Shape{taps, channels});
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t t = 0; t < taps; ++t)
      depthwise.values.template as<Weight>()[t * channels + c] =
          weights.values[static_cast<size_t>(c * taps + t)];
  }
  const int64_t block = static_cast<int64_t>(kChannelBlock);
  const WeightsShape one_group{.groups = 1, .columns = channels};
  depthwise.bias = per_column(weights.bias, one_group, quotient_up(channels, block) * block);
  depthwise.multiplier = per_column(weights.multiplier, one_group, quotient_up(channels, block) * block);
  depthwise.padding = constant_row(channels, weights.padding);
  depthwise.line.out = weights.out;
  depthwise.line.channels = static_cast<size_t>(channels);
  depthwise.line.outer_taps = static_cast<size_t>(taps / window.inner_taps);
  set_kernel(kernels, depthwise);
  set_positions(depthwise);

  const int64_t most_pixels = std::max<int64_t>(1, kPieceMacs / (channels * taps));
  depthwise.line_pieces = quotient_up(window.inner_pixels, most_pixels);
  depthwise.piece_pixels = quotient_up(window.inner_pixels, depthwise.line_pieces);
  depthwise.line_pieces = quotient_up(window.inner_pixels, depthwise.piece_pixels);
  depthwise.block_pieces = std::max<int64_t>(1, most_pixels / depthwise.piece_pixels);
  const int64_t pieces = depthwise.rows.count / window.inner_pixels * depthwise.line_pieces;
  depthwise.scratch =
      RowScratch(quotient_up(pieces, depthwise.block_pieces),
                 positions_of(depthwise, depthwise.piece_pixels) * (taps / window.inner_taps));
  return depthwise;
}

template <typename T>
void run_depthwise(const Depthwise<T>& depthwise, const T* a, T* c, const PartDone& done) {
  const int64_t lines = depthwise.rows.count / depthwise.rows.window.inner_pixels;
  parallel_blocks(lines * depthwise.line_pieces, depthwise.block_pieces, [&](int64_t first, int64_t end) {
    const T* stack[kRowsOnStack];
    const T** rows = depthwise.scratch.of_block(first / depthwise.block_pieces, stack);
    for (int64_t piece = first; piece < end; ++piece) {
      const Part part = run_piece(depthwise, piece / depthwise.line_pieces,
                                  piece % depthwise.line_pieces * depthwise.piece_pixels, rows, a, c);
      if (done) done(part);
    }
  });
}

template Depthwise<uint8_t> plan_depthwise(const Weights<uint8_t>&, ImageRows, const Kernels&);
template Depthwise<float> plan_depthwise(const Weights<float>&, ImageRows, const Kernels&);
template void run_depthwise(const Depthwise<uint8_t>&, const uint8_t*, uint8_t*, const PartDone&);
template void run_depthwise(const Depthwise<float>&, const float*, float*, const PartDone&);

}  // namespace q
