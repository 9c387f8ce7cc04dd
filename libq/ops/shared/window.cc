#include "ops/shared/window.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.h"

namespace q {

namespace {

// Larger entries and extents are refused, so that all products of two fit in int64.
constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
// Added to any offset within an image it stays negative, and two of them do not overflow.
constexpr int64_t kPadding = std::numeric_limits<int64_t>::min() / 2;

// The list `name` with `length` entries of at least `least`; all `fallback` when the attribute is empty or
// absent.
Ints entries(const Attrs& attrs, std::string_view name, size_t length, int64_t least, int64_t fallback) {
  if (attrs.find(name) == attrs.end() || attr_ints(attrs, name).empty()) return Ints(length, fallback);
  const Ints& list = attr_ints(attrs, name);
  if (list.size() != length)
    throw Error(ErrorKind::kInvalid,
                text("attribute ", name, " has ", list.size(), " entries, wanted ", length));
  for (const int64_t entry : list) {
    if (entry < least || entry > kMost)
      throw Error(ErrorKind::kInvalid,
                  text("attribute ", name, " holds ", entry, ", wanted ", least, " to ", kMost));
  }
  return list;
}

// Extent of the image that one window covers.
int64_t reach(const Window& window, size_t axis) {
  return (window.kernel[axis] - 1) * window.dilations[axis] + 1;
}

// Where the tap of an output position reads along one axis, negative when outside of the image.
int64_t position(const Window& window, size_t axis, int64_t in, int64_t output, int64_t tap) {
  const int64_t at = output * window.strides[axis] + tap * window.dilations[axis] - window.begins[axis];
  if (window.spacing.empty()) return at < in ? at : -1;
  const int64_t spacing = window.spacing[axis];
  return at >= 0 && at % spacing == 0 && at / spacing < in ? at / spacing : -1;
}

int64_t product(std::span<const int64_t> extents) {
  int64_t out = 1;
  for (const int64_t extent : extents) {
    if (__builtin_mul_overflow(out, extent, &out) || out > kMost)
      throw Error(ErrorKind::kUnsupported, text("a window table of more than ", kMost, " entries"));
  }
  return out;
}

}  // namespace

Window window_of(const Attrs& attrs, const Ints& kernel) {
  for (const int64_t extent : kernel) {
    if (extent < 1 || extent > kMost)
      throw Error(ErrorKind::kInvalid, text("kernel extent is ", extent, ", wanted 1 to ", kMost));
  }
  const size_t rank = kernel.size();
  const Ints pads = entries(attrs, "pads", 2 * rank, 0, 0);
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(rank);
  return {.kernel = kernel,
          .strides = entries(attrs, "strides", rank, 1, 1),
          .dilations = entries(attrs, "dilations", rank, 1, 1),
          .begins = Ints(pads.begin(), middle),
          .ends = Ints(middle, pads.end()),
          .ceil_mode = attrs.contains("ceil_mode") && attr_int(attrs, "ceil_mode") != 0};
}

Ints window_outputs(const Window& window, std::span<const int64_t> in) {
  if (in.size() != window.kernel.size())
    throw Error(ErrorKind::kInvalid, text("kernel has ", window.kernel.size(), " extents, input has ",
                                          in.size(), " spatial axes"));
  Ints out(in.size(), kFree);
  for (size_t axis = 0; axis < in.size(); ++axis) {
    if (is_free(in[axis])) continue;
    const int64_t padded = in[axis] + window.begins[axis] + window.ends[axis];
    const int64_t room = padded - reach(window, axis);
    if (in[axis] < 1 || in[axis] > kMost || room < 0)
      throw Error(ErrorKind::kInvalid, text("a window of ", reach(window, axis),
                                            " does not fit into spatial axis ", axis, " of extent ", in[axis],
                                            " with pads ", window.begins[axis], " and ", window.ends[axis]));
    const int64_t stride = window.strides[axis];
    out[axis] = room / stride + 1;
    if (window.ceil_mode && room % stride != 0 && out[axis] * stride < in[axis] + window.begins[axis])
      ++out[axis];
    if (out[axis] > kMost)
      throw Error(ErrorKind::kInvalid, text("output extent is ", out[axis], ", wanted at most ", kMost));
  }
  return out;
}

OffsetTable offset_table(const Window& window, std::span<const int64_t> in, std::span<const int64_t> out,
                         int64_t channels) {
  const size_t last = in.size() - 1;
  const std::span<const int64_t> kernel(window.kernel);
  OffsetTable table;
  table.outer_taps = product(kernel.first(last));
  table.inner_taps = kernel[last];
  table.inner_stride = window.strides[last];
  table.inner_dilation = window.dilations[last];
  table.taps = product(Ints{table.outer_taps, table.inner_taps});
  const int64_t outer_pixels = product(out.first(last));
  table.inner_pixels = out[last];
  table.pixels = product(Ints{outer_pixels, table.inner_pixels});

  table.inside_step = window.strides[last] * channels;
  table.inner.reserve(static_cast<size_t>(product(Ints{table.inner_pixels, table.inner_taps})));
  for (int64_t pixel = 0; pixel < table.inner_pixels; ++pixel) {
    bool inside = true;
    for (int64_t tap = 0; tap < table.inner_taps; ++tap) {
      const int64_t at = position(window, last, in[last], pixel, tap);
      table.inner.push_back(at < 0 ? kPadding : at * channels);
      inside = inside && at >= 0;
    }
    if (!inside || !window.spacing.empty()) continue;  // whose neighbours do not lie a step apart
    if (table.inside_end == 0) table.inside_begin = pixel;
    table.inside_end = pixel + 1;
  }
  table.outer.reserve(static_cast<size_t>(product(Ints{outer_pixels, table.outer_taps})));
  for (int64_t pixel = 0; pixel < outer_pixels; ++pixel) {
    for (int64_t tap = 0; tap < table.outer_taps; ++tap) {
      int64_t offset = 0, stride = in[last] * channels, output = pixel, index = tap;
      for (size_t axis = last; axis-- > 0;) {
        const int64_t at = position(window, axis, in[axis], output % out[axis], index % kernel[axis]);
        offset = at < 0 || offset < 0 ? kPadding : offset + at * stride;
        stride *= in[axis];
        output /= out[axis];
        index /= kernel[axis];
      }
      table.outer.push_back(offset);
    }
  }
  return table;
}

ImageRows dense_rows(int64_t count, int64_t elements) {
  OffsetTable window{.pixels = 1,
                     .taps = 1,
                     .outer_taps = 1,
                     .inner_taps = 1,
                     .inner_pixels = 1,
                     .outer = {0},
                     .inner = {0}};
  return {.count = count, .image_stride = elements, .window = std::move(window)};
}

RowScratch::RowScratch(int64_t blocks, int64_t rows_per_block) : rows_per_block_(rows_per_block) {
  if (static_cast<size_t>(rows_per_block) <= kRowsOnStack) return;
  memory_ = std::make_shared<const void*[]>(static_cast<size_t>(product(Ints{blocks, rows_per_block})));
}

void complete_onnx_window(OnnxNode& node, const Ints& kernel) {
  std::string mode = "NOTSET";
  if (node.attrs.contains("auto_pad")) mode = attr_string(node.attrs, "auto_pad");
  node.attrs.erase("auto_pad");
  if (mode != "NOTSET") node.attrs.erase("pads");
  Window window = window_of(node.attrs, kernel);
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    const Shape& shape = node.inputs.at(0).type.shape;
    for (size_t axis = 0; axis < kernel.size(); ++axis) {
      const int64_t in = shape[static_cast<int>(axis) + 2], stride = window.strides[axis];
      if (is_free(in) && stride != 1)
        throw Error(ErrorKind::kUnsupported, text("auto_pad ", mode, " with stride ", stride, " over ",
                                                  to_string(shape), ", wanted fixed spatial extents"));
      // Where the last window begins, counted from the end of the image; with stride 1 the same for all
      // extents.
      const int64_t last = is_free(in) ? -1 : (in - 1) / stride * stride - in;
      const int64_t total = std::max<int64_t>(0, last + reach(window, axis));
      window.begins[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      window.ends[axis] = total - window.begins[axis];
    }
  } else if (mode != "NOTSET" && mode != "VALID") {
    throw Error(ErrorKind::kInvalid,
                text("auto_pad is \"", mode, "\", wanted NOTSET, SAME_UPPER, SAME_LOWER or VALID"));
  }
  Ints pads = window.begins;
  pads.insert(pads.end(), window.ends.begin(), window.ends.end());
  node.attrs.insert_or_assign("strides", window.strides);
  node.attrs.insert_or_assign("dilations", window.dilations);
  node.attrs.insert_or_assign("pads", pads);
}

}  // namespace q
