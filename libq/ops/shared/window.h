// A window that moves over an image: the geometry that convolutions and pools share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "q/op.h"

namespace q {

// One entry per spatial axis.
struct Window {
  Ints kernel, strides, dilations;
  Ints begins, ends;  // padding before and behind the image
  bool ceil_mode = false;
  Ints spacing{};  // from one pixel of the image to the next, with padding in between; empty: 1
};

// The window that an operator's attributes describe: strides and dilations (ones when empty or unknown to the
// operator), pads (begins then ends, zeros when empty or unknown), ceil_mode. Throws, naming the attribute,
// when a list is not as long as `kernel` or an entry is out of range.
Window window_of(const Attrs& attrs, const Ints& kernel);

// Extents of the output over an image of spatial extents `in`; kFree where `in` is free. With ceil_mode the
// last window still begins inside the image or the padding before it (PyTorch's rule). Throws when no window
// fits or a result is out of range.
Ints window_outputs(const Window& window, std::span<const int64_t> in);

// Which rows of an image, stored channels-last, lie under a window: the row of an output pixel and a tap of
// the kernel (both counted in row-major order) begins outer[..] + inner[..] elements behind the start of the
// image; a negative sum is padding. The last axis is kept apart from the ones before it, so that the table
// stays small.
struct OffsetTable {
  int64_t pixels = 0, taps = 0;
  int64_t outer_taps = 0, inner_taps = 0, inner_pixels = 0;
  int64_t inner_stride = 1,
          inner_dilation = 1;  // of the last axis: steps of pixels and taps in its positions
  // Pixels along the last axis under which all taps are inside of it; those of neighbours lie a step apart.
  int64_t inside_begin = 0, inside_end = 0, inside_step = 0;
  std::vector<int64_t> outer;  // [pixels / inner_pixels][outer_taps]
  std::vector<int64_t> inner;  // [inner_pixels][inner_taps]
};

// The table of a window over images [in..., channels]. Extents are concrete, `out` is what window_outputs
// gives.
OffsetTable offset_table(const Window& window, std::span<const int64_t> in, std::span<const int64_t> out,
                         int64_t channels);

// Whether no outer tap of these pixels is padding.
inline bool is_inside(const OffsetTable& table, int64_t outer_pixel) {
  const auto first = table.outer.begin() + outer_pixel * table.outer_taps;
  return std::all_of(first, first + table.outer_taps, [](int64_t offset) { return offset >= 0; });
}

// The rows under all taps of a pixel, to rows[tap * stride]; `padding` stands for what lies outside of the
// image. The pixel is outer_pixel * inner_pixels + inner_pixel: loops over many pixels need not divide.
template <typename T>
void fill_rows(const OffsetTable& table, int64_t outer_pixel, int64_t inner_pixel, const T* image,
               const T* padding, size_t stride, const T** rows) {
  const int64_t* outer = table.outer.data() + outer_pixel * table.outer_taps;
  const int64_t* inner = table.inner.data() + inner_pixel * table.inner_taps;
  for (int64_t o = 0; o < table.outer_taps; ++o) {
    for (int64_t i = 0; i < table.inner_taps; ++i, rows += stride) {
      const int64_t offset = outer[o] + inner[i];
      *rows = offset < 0 ? padding : image + offset;
    }
  }
}

template <typename T>
void fill_rows(const OffsetTable& table, int64_t pixel, const T* image, const T* padding, size_t stride,
               const T** rows) {
  fill_rows(table, pixel / table.inner_pixels, pixel % table.inner_pixels, image, padding, stride, rows);
}

// The rows under the taps of a pixel that lie inside of the image, one behind the other; returns how many (0
// to table.taps).
template <typename T>
size_t inside_rows(const OffsetTable& table, int64_t pixel, const T* image, const T** rows) {
  const int64_t* outer = table.outer.data() + pixel / table.inner_pixels * table.outer_taps;
  const int64_t* inner = table.inner.data() + pixel % table.inner_pixels * table.inner_taps;
  size_t count = 0;
  for (int64_t o = 0; o < table.outer_taps; ++o) {
    for (int64_t i = 0; i < table.inner_taps; ++i) {
      const int64_t offset = outer[o] + inner[i];
      if (offset >= 0) rows[count++] = image + offset;
    }
  }
  return count;
}

// The output pixels of several images: row r is pixel r % window.pixels of image r / window.pixels.
struct ImageRows {
  int64_t count = 0;
  int64_t image_stride = 0;  // elements from one image to the next
  OffsetTable window;
};
// Rows of `elements` one behind the other.
ImageRows dense_rows(int64_t count, int64_t elements);

// Steps through such rows without dividing.
struct RowCursor {
  int64_t image, outer, inner;

  RowCursor(const ImageRows& rows, int64_t row)
      : image(row / rows.window.pixels),
        outer(row % rows.window.pixels / rows.window.inner_pixels),
        inner(row % rows.window.inner_pixels) {}
  void advance(const OffsetTable& window) {
    if (++inner < window.inner_pixels) return;
    inner = 0;
    if (++outer * window.inner_pixels < window.pixels) return;
    outer = 0;
    ++image;
  }
};

// Room for row pointers in every block of a parallel loop, without allocating when it runs: an array of
// kRowsOnStack of the caller, or, for large windows, memory set aside when the scratch is made (one use at a
// time).
inline constexpr size_t kRowsOnStack = 2048;
class RowScratch {
 public:
  RowScratch() = default;
  RowScratch(int64_t blocks, int64_t rows_per_block);
  template <typename T>
  const T** of_block(int64_t block, const T** stack) const {
    return memory_ ? reinterpret_cast<const T**>(memory_.get()) + block * rows_per_block_ : stack;
  }

 private:
  int64_t rows_per_block_ = 0;
  std::shared_ptr<const void*[]> memory_;
};

// Maps the window attributes of an ONNX node (Conv or a pool, input 0 of rank >= 3) to ours: strides,
// dilations and pads are filled in for a kernel of these extents, auto_pad becomes pads. Throws on an unknown
// auto_pad, or one that depends on free extents.
void complete_onnx_window(OnnxNode& node, const Ints& kernel);

}  // namespace q
