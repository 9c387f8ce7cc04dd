#include "ops/shared/conv.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/depthwise.h"
#include "ops/shared/gemm.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"

namespace q {

namespace {

std::span<const int64_t> spatial(const Shape& shape) { return shape.extents().subspan(2); }

Ints kernel_of(const Shape& weight) { return {spatial(weight).begin(), spatial(weight).end()}; }

void check_weight(const Shape& input, const Shape& weight, int64_t group) {
  const auto refuse = [&](const auto&... why) {
    throw Error(ErrorKind::kInvalid,
                text("weight is ", to_string(weight), " with group ", group, ", ", why...));
  };
  if (weight.rank != input.rank) refuse("input is ", to_string(input), ", wanted rank ", input.rank);
  for (const int64_t extent : weight.extents()) {
    if (extent < 1) refuse("wanted extents of at least 1");
  }
  if (group < 1 || weight[0] % group != 0) refuse("wanted a group that divides ", weight[0]);
  if (input[1] != weight[1] * group)
    refuse("input has ", is_free(input[1]) ? "a free number of" : std::to_string(input[1]),
           " channels, wanted ", weight[1] * group);
}

WeightsShape weights_shape(const Shape& weight, int64_t group) {
  int64_t taps = 1;
  for (const int64_t extent : spatial(weight)) taps *= extent;
  return {.groups = group, .columns = weight[0] / group, .k = weight[1], .taps = taps};
}

// The output pixels of a window over images [in..., channels].
ImageRows rows_under(const Window& window, std::span<const int64_t> in, int64_t channels,
                     const CompileCall& call) {
  ImageRows rows;
  rows.window = offset_table(window, in, spatial(call.out[0].shape), channels);
  rows.count = call.in[0].shape[0] * rows.window.pixels;
  rows.image_stride = channels;
  for (const int64_t extent : in) rows.image_stride *= extent;
  return rows;
}

Window conv_window(const CompileCall& call) { return window_of(call.attrs, kernel_of(call.in[1].shape)); }

ImageRows image_rows(const CompileCall& call, int64_t channels) {
  return rows_under(conv_window(call), spatial(call.in[0].shape), channels, call);
}

// ---- few channels: the taps along a line lie side by side and become one, of as many channels ----

// Images whose lines are copied with their padding at both ends; without padding they stay where they are.
template <typename T>
struct PaddedLines {
  int64_t lines = 0, line = 0;          // of all images; elements of one without padding
  int64_t before = 0, padded_line = 0;  // elements
  Tensor padded{};                      // [lines][padded_line]
};

bool merges_taps(const CompileCall& call, const WeightsShape& shape) {
  constexpr int64_t kFewChannels = 16;
  const Window window = conv_window(call);
  const int64_t extent = call.in[0].shape[call.in[0].shape.rank - 1];
  return shape.groups == 1 && shape.k <= kFewChannels && window.kernel.back() > 1 &&
         window.dilations.back() == 1 && window.begins.back() + window.ends.back() <= extent;
}

// From [columns][k][outer taps][inner taps] to [columns][inner taps * k][outer taps].
template <typename T>
void merge_taps(Weights<T>& weights, int64_t inner_taps) {
  const int64_t k = weights.shape.k, outer_taps = weights.shape.taps / inner_taps;
  std::vector<typename Weights<T>::Weight> merged(weights.values.size());
  size_t at = 0;
  for (int64_t column = 0; column < weights.shape.columns; ++column) {
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t outer = 0; outer < outer_taps; ++outer) {
        for (int64_t inner = 0; inner < inner_taps; ++inner)
          merged[static_cast<size_t>(((column * inner_taps + inner) * k + i) * outer_taps + outer)] =
              weights.values[at++];
      }
    }
  }
  weights.set(std::move(merged));
  weights.shape.k = k * inner_taps;
  weights.shape.taps = outer_taps;
}

template <typename T>
PaddedLines<T> padded_lines(const CompileCall& call, T padding) {
  const Window window = conv_window(call);
  const Shape& in = call.in[0].shape;
  const int64_t channels = in[1], extent = in[in.rank - 1];
  PaddedLines<T> out{.lines = elements(in) / (channels * extent),
                     .line = extent * channels,
                     .before = window.begins.back() * channels,
                     .padded_line = (window.begins.back() + extent + window.ends.back()) * channels};
  if (out.padded_line != out.line) {
    out.padded = make_tensor(dtype_of<T>, Shape{out.lines, out.padded_line});
    std::fill_n(out.padded.template as<T>(), out.lines * out.padded_line, padding);
  }
  return out;
}

template <typename T>
ImageRows rows_of(const CompileCall& call, const PaddedLines<T>& lines) {
  Window window = conv_window(call);
  window.kernel.back() = 1;
  window.begins.back() = window.ends.back() = 0;
  Ints in(spatial(call.in[0].shape).begin(), spatial(call.in[0].shape).end());
  in.back() = lines.padded_line / call.in[0].shape[1];
  return rows_under(window, in, call.in[0].shape[1], call);
}

// Copies the images of a run; returns where they now are.
template <typename T>
const T* pad_lines(PaddedLines<T>& lines, const T* images) {
  if (lines.padded.data == nullptr) return images;
  constexpr int64_t kGrain = 1 << 15;  // elements
  T* padded = lines.padded.template as<T>();
  parallel_blocks(lines.lines, std::max<int64_t>(1, kGrain / lines.line), [&](int64_t first, int64_t end) {
    for (int64_t line = first; line < end; ++line)
      std::copy_n(images + line * lines.line, lines.line, padded + line * lines.padded_line + lines.before);
  });
  return padded;
}

// ---- groups of one input channel: depthwise, over images that hold every channel once for each of its
// outputs ----

template <typename T>
struct RepeatedChannels {
  int64_t elements = 0, times = 1;
  Tensor repeated{};  // [elements][times]
};

template <typename T>
RepeatedChannels<T> repeated_channels(const CompileCall& call, int64_t times) {
  RepeatedChannels<T> out{.elements = elements(call.in[0].shape), .times = times};
  if (times > 1) out.repeated = make_tensor(dtype_of<T>, Shape{out.elements, times});
  return out;
}

// Copies the images of a run; returns where they now are.
template <typename T>
const T* repeat_channels(RepeatedChannels<T>& channels, const T* images) {
  if (channels.times == 1) return images;
  constexpr int64_t kGrain = 1 << 14;  // elements
  T* repeated = channels.repeated.template as<T>();
  parallel_blocks(channels.elements, std::max<int64_t>(1, kGrain / channels.times),
                  [&](int64_t first, int64_t end) {
                    for (int64_t i = first; i < end; ++i)
                      std::fill_n(repeated + i * channels.times, channels.times, images[i]);
                  });
  return repeated;
}

}  // namespace

std::vector<Shape> infer_conv(const Attrs& attrs, std::span<const TensorType> in, int spatial_axes) {
  const Shape &input = in[0].shape, &weight = in[1].shape;
  if (input.rank != spatial_axes + 2)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(input), ", wanted rank ", spatial_axes + 2));
  check_weight(input, weight, attr_int(attrs, "group"));
  check_bias(in, weight[0]);
  check_clamp(attrs);
  Ints out = window_outputs(window_of(attrs, kernel_of(weight)), spatial(input));
  out.insert(out.begin(), {input[0], weight[0]});
  return {make_shape(out)};
}

int64_t conv_macs(const Attrs& attrs, std::span<const TensorType> in, const Shape& out) {
  const WeightsShape shape = weights_shape(in[1].shape, attr_int(attrs, "group"));
  return count_macs(out, shape.k * shape.taps);
}

template <typename T>
Run compile_conv(const CompileCall& call) {
  const WeightsShape shape = weights_shape(call.in[1].shape, attr_int(call.attrs, "group"));
  Weights<T> weights = weights_of<T>(call, shape);
  if (shape.groups > 1 && shape.k == 1) {
    const int64_t outputs = shape.groups * shape.columns;
    weights.shape.groups = outputs;
    weights.shape.columns = 1;
    return [channels = std::make_shared<RepeatedChannels<T>>(repeated_channels<T>(call, shape.columns)),
            depthwise = std::make_shared<const Depthwise<T>>(
                plan_depthwise(weights, image_rows(call, outputs), call.kernels)),
            epilogue = call.epilogue](const RunCall& run) {
      run_depthwise(*depthwise, repeat_channels(*channels, run.in[0].template as<T>()),
                    run.out[0].template as<T>(), part_done(epilogue, run));
    };
  }
  if (merges_taps(call, shape)) {
    merge_taps(weights, call.in[1].shape[call.in[1].shape.rank - 1]);
    auto lines = std::make_shared<PaddedLines<T>>(padded_lines<T>(call, weights.padding));
    return [lines,
            gemm = std::make_shared<const Gemm<T>>(plan_gemm(weights, rows_of(call, *lines), call.kernels)),
            epilogue = call.epilogue](const RunCall& run) {
      run_gemm(*gemm, pad_lines(*lines, run.in[0].template as<T>()), run.out[0].template as<T>(),
               part_done(epilogue, run));
    };
  }
  merge_groups(weights);
  return [gemm = std::make_shared<const Gemm<T>>(
              plan_gemm(weights, image_rows(call, call.in[0].shape[1]), call.kernels)),
          epilogue = call.epilogue](const RunCall& run) {
    run_gemm(*gemm, run.in[0].template as<T>(), run.out[0].template as<T>(), part_done(epilogue, run));
  };
}

template Run compile_conv<float>(const CompileCall&);
template Run compile_conv<uint8_t>(const CompileCall&);

bool map_onnx_conv(OnnxNode& node, int spatial_axes) {
  const Shape& input = node.inputs.at(0).type.shape;
  if (input.rank != spatial_axes + 2) return false;
  const Shape& weight = node.inputs.at(1).type.shape;
  drop_absent_bias(node);
  if (weight.rank != input.rank)
    throw Error(ErrorKind::kInvalid, text("weight is ", to_string(weight), ", input is ", to_string(input),
                                          ", wanted rank ", input.rank));
  const Ints kernel = kernel_of(weight);
  if (node.attrs.contains("kernel_shape") && attr_ints(node.attrs, "kernel_shape") != kernel)
    throw Error(ErrorKind::kInvalid,
                text("kernel_shape is ", to_string(make_shape(attr_ints(node.attrs, "kernel_shape"))),
                     ", weight is ", to_string(weight), ", wanted ", to_string(make_shape(kernel))));
  node.attrs.erase("kernel_shape");
  node.attrs.emplace("group", int64_t{1});
  complete_onnx_window(node, kernel);
  return true;
}

}  // namespace q
