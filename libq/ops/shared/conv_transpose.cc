#include "ops/shared/conv_transpose.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/depthwise.h"
#include "ops/shared/gemm.h"
#include "ops/shared/onnx.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"
#include "q/quant.h"

namespace q {

namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // of any extent

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
  if (weight[1] > kMost / group) refuse("wanted at most ", kMost, " output channels");
  if (input[1] != weight[0])
    refuse("input has ", is_free(input[1]) ? "a free number of" : std::to_string(input[1]),
           " channels, wanted ", weight[0]);
}

// Zeros, or one entry per axis. PyTorch's rule: more would be outputs that no window reaches.
Ints output_padding_of(const Attrs& attrs, const Window& window) {
  const Ints& list = attr_ints(attrs, "output_padding");
  if (list.empty()) return Ints(window.kernel.size(), 0);
  if (list.size() != window.kernel.size())
    throw Error(ErrorKind::kInvalid, text("attribute output_padding has ", list.size(), " entries, wanted ",
                                          window.kernel.size()));
  for (size_t axis = 0; axis < list.size(); ++axis) {
    const int64_t most = std::max(window.strides[axis], window.dilations[axis]) - 1;
    if (list[axis] < 0 || list[axis] > most)
      throw Error(ErrorKind::kInvalid, text("attribute output_padding holds ", list[axis], ", wanted 0 to ",
                                            most, ", below stride or dilation"));
  }
  return list;
}

// Extent of the output without padding taken away.
int64_t full_extent(const Window& window, size_t axis, int64_t in) {
  return (in - 1) * window.strides[axis] + (window.kernel[axis] - 1) * window.dilations[axis] + 1;
}

Window transposed_window(const CompileCall& call) {
  return window_of(call.attrs, kernel_of(call.in[1].shape));
}

// Of the weight as an ordinary convolution has it: [groups * columns, k, taps].
WeightsShape weights_shape(const Shape& weight, int64_t group) {
  int64_t taps = 1;
  for (const int64_t extent : spatial(weight)) taps *= extent;
  return {.groups = group, .columns = weight[1], .k = weight[0] / group, .taps = taps};
}

// ---- which taps meet which outputs ----

// Outputs first, first + stride, … of an axis: an ordinary window of stride 1 reaches the pixels under them.
struct AxisPhase {
  int64_t first = 0, outputs = 0;
  std::vector<int64_t> taps{};  // the last one first, so that their pixels ascend
  int64_t begin = 0, dilation = 1;
};

std::vector<AxisPhase> axis_phases(const Window& window, size_t axis, int64_t outputs) {
  const int64_t stride = window.strides[axis], dilation = window.dilations[axis];
  std::map<int64_t, AxisPhase> by_remainder;
  for (int64_t tap = window.kernel[axis]; tap-- > 0;) {
    const int64_t shift = (tap * dilation - window.begins[axis]) % stride;
    const int64_t first = shift < 0 ? shift + stride : shift;
    if (first < outputs) by_remainder[first].taps.push_back(tap);
  }
  std::vector<AxisPhase> phases;
  for (auto& [first, phase] : by_remainder) {
    phase.first = first;
    phase.outputs = (outputs - first + stride - 1) / stride;
    phase.begin = (phase.taps[0] * dilation - first - window.begins[axis]) / stride;
    phase.dilation = dilation / std::gcd(stride, dilation);
    phases.push_back(std::move(phase));
  }
  return phases;
}

// One phase of every axis.
using Phase = std::vector<AxisPhase>;

std::vector<Phase> phases_of(const CompileCall& call) {
  const Window window = transposed_window(call);
  std::vector<Phase> out = {{}};
  for (size_t axis = 0; axis < window.kernel.size(); ++axis) {
    std::vector<Phase> longer;
    for (const Phase& before : out) {
      for (const AxisPhase& phase : axis_phases(window, axis, spatial(call.out[0].shape)[axis])) {
        longer.push_back(before);
        longer.back().push_back(phase);
      }
    }
    out = std::move(longer);
  }
  return out;
}

// The taps of a phase among all of the kernel.
std::vector<int64_t> taps_of(const Phase& phase, const Ints& kernel) {
  std::vector<int64_t> out = {0};
  for (size_t axis = 0; axis < phase.size(); ++axis) {
    std::vector<int64_t> longer;
    for (const int64_t before : out) {
      for (const int64_t tap : phase[axis].taps) longer.push_back(before * kernel[axis] + tap);
    }
    out = std::move(longer);
  }
  return out;
}

// ---- their weights ----

// The weight's columns have one scale in all groups; as an ordinary convolution has them, each has its own.
QParams ordinary_qparams(const QParams& transposed, int64_t groups, int64_t columns) {
  QParams out = transposed;
  if (!is_per_channel(transposed.scheme)) return out;
  if (transposed.axis != 1 || std::ssize(transposed.scales) != columns)
    throw Error(ErrorKind::kInvalid, text("weight has ", transposed.scales.size(), " scales along axis ",
                                          transposed.axis, ", wanted ", columns, " along axis 1"));
  out.axis = 0;
  for (int64_t g = 1; g < groups; ++g) {
    out.scales.insert(out.scales.end(), transposed.scales.begin(), transposed.scales.end());
    out.zero_points.insert(out.zero_points.end(), transposed.zero_points.begin(),
                           transposed.zero_points.end());
  }
  return out;
}

// From [groups * k, columns, all taps] to [groups * columns, k, these taps].
template <typename Weight>
void take_taps(const Weight* from, const WeightsShape& all, const std::vector<int64_t>& taps, Weight* to) {
  for (int64_t output = 0; output < all.groups * all.columns; ++output) {
    const int64_t group = output / all.columns, column = output % all.columns;
    for (int64_t i = 0; i < all.k; ++i) {
      const Weight* source = from + ((group * all.k + i) * all.columns + column) * all.taps;
      for (const int64_t tap : taps) *to++ = source[tap];
    }
  }
}

// What the ordinary convolution with these taps has as weights.
template <typename T>
Weights<T> weights_with(const CompileCall& call, const std::vector<int64_t>& taps) {
  using Weight = typename WeightedTypes<T>::Weight;
  const WeightsShape all = weights_shape(call.in[1].shape, attr_int(call.attrs, "group"));
  WeightsShape some = all;
  some.taps = std::ssize(taps);
  TensorType type{call.in[1].dtype, Shape{all.groups * all.columns, all.k, some.taps}, {}};
  if (call.in[1].qparams) type.qparams = ordinary_qparams(*call.in[1].qparams, all.groups, all.columns);
  std::vector<TensorType> in(call.in.begin(), call.in.end());
  std::vector<View> constants(call.constants.begin(), call.constants.end());
  Tensor weight;
  if (constants[1].data != nullptr && type.dtype == dtype_of<Weight>) {
    weight = make_tensor(type);
    take_taps(constants[1].as<Weight>(), all, taps, weight.as<Weight>());
    constants[1] = weight.view();
  }
  in[1] = std::move(type);
  Weights<T> out = weights_of<T>(
      {.attrs = call.attrs, .in = in, .out = call.out, .constants = constants, .kernels = call.kernels},
      some);
  if (out.own == nullptr) out.set({out.values.begin(), out.values.end()});  // they outlive the tensor
  return out;
}

// ---- their products ----

// Where the outputs of a phase lie in the image.
RowPlaces places_of(const Phase& phase, const Ints& strides, const Shape& out) {
  const std::span<const int64_t> extents = spatial(out);
  const int64_t channels = out[1];
  const size_t last = phase.size() - 1;
  RowPlaces places{
      .image_stride = channels, .step = strides[last] * channels, .lines = {phase[last].first * channels}};
  int64_t stride = channels;
  for (const int64_t extent : extents) places.image_stride *= extent;
  for (size_t axis = last; axis-- > 0;) {
    stride *= extents[axis + 1];
    std::vector<int64_t> longer;
    for (int64_t i = 0; i < phase[axis].outputs; ++i) {
      for (const int64_t line : places.lines)
        longer.push_back(line + (phase[axis].first + i * strides[axis]) * stride);
    }
    places.lines = std::move(longer);
  }
  return places;
}

ImageRows rows_of(const Window& window, const Ints& outputs, const CompileCall& call, int64_t channels) {
  const std::span<const int64_t> in = spatial(call.in[0].shape);
  ImageRows rows;
  rows.window = offset_table(window, in, outputs, channels);
  rows.count = call.in[0].shape[0] * rows.window.pixels;
  rows.image_stride = channels;
  for (const int64_t extent : in) rows.image_stride *= extent;
  return rows;
}

template <typename T>
Gemm<T> plan_phase(const CompileCall& call, const Phase& phase) {
  const Window window = transposed_window(call);
  Weights<T> weights = weights_with<T>(call, taps_of(phase, window.kernel));
  merge_groups(weights);
  Window ordinary{.strides = Ints(phase.size(), 1)};
  Ints outputs;
  for (const AxisPhase& axis : phase) {
    ordinary.kernel.push_back(std::ssize(axis.taps));
    ordinary.dilations.push_back(axis.dilation);
    ordinary.begins.push_back(axis.begin);
    outputs.push_back(axis.outputs);
  }
  Gemm<T> gemm = plan_gemm(weights, rows_of(ordinary, outputs, call, call.in[0].shape[1]), call.kernels);
  const bool everywhere = std::ranges::all_of(window.strides, [](int64_t stride) { return stride == 1; });
  if (!everywhere) gemm.places = places_of(phase, window.strides, call.out[0].shape);
  return gemm;
}

// Every channel a group of its own: an ordinary window over the image with padding between its pixels, which
// costs less than finding places for so short rows.
template <typename T>
Run compile_depthwise(const CompileCall& call) {
  Window window = transposed_window(call);
  const WeightsShape shape = weights_shape(call.in[1].shape, attr_int(call.attrs, "group"));
  std::vector<int64_t> taps;
  for (int64_t tap = shape.taps; tap-- > 0;) taps.push_back(tap);
  window.spacing = std::exchange(window.strides, Ints(window.kernel.size(), 1));
  for (size_t axis = 0; axis < window.kernel.size(); ++axis)
    window.begins[axis] = (window.kernel[axis] - 1) * window.dilations[axis] - window.begins[axis];
  const Ints outputs(spatial(call.out[0].shape).begin(), spatial(call.out[0].shape).end());
  return [depthwise = std::make_shared<const Depthwise<T>>(plan_depthwise(
              weights_with<T>(call, taps), rows_of(window, outputs, call, shape.groups), call.kernels)),
          epilogue = call.epilogue](const RunCall& run) {
    run_depthwise(*depthwise, run.in[0].template as<T>(), run.out[0].template as<T>(),
                  part_done(epilogue, run));
  };
}

// ---- outputs that no tap meets ----

struct Gaps {
  int64_t lines = 0, extent = 0;                    // of all images, and of a line
  std::vector<bool> line_is_gap{};                  // of one image
  std::vector<std::pair<int64_t, int64_t>> runs{};  // [first, end) of the pixels of any other line
  bool any = false;
};

std::vector<bool> met(const Window& window, size_t axis, int64_t outputs) {
  std::vector<bool> out(static_cast<size_t>(outputs), false);
  for (const AxisPhase& phase : axis_phases(window, axis, outputs)) {
    for (int64_t i = phase.first; i < outputs; i += window.strides[axis]) out[static_cast<size_t>(i)] = true;
  }
  return out;
}

Gaps gaps_of(const CompileCall& call) {
  const Window window = transposed_window(call);
  const std::span<const int64_t> out = spatial(call.out[0].shape);
  const size_t last = out.size() - 1;
  Gaps gaps{.extent = out[last], .line_is_gap = {false}};
  for (size_t axis = 0; axis < last; ++axis) {
    std::vector<bool> longer;
    for (const bool before : gaps.line_is_gap) {
      for (const bool is_met : met(window, axis, out[axis])) longer.push_back(before || !is_met);
    }
    gaps.line_is_gap = std::move(longer);
  }
  const std::vector<bool> inner = met(window, last, out[last]);
  for (int64_t i = 0; i < gaps.extent; ++i) {
    if (inner[static_cast<size_t>(i)]) continue;
    if (gaps.runs.empty() || gaps.runs.back().second != i) gaps.runs.emplace_back(i, i);
    gaps.runs.back().second = i + 1;
  }
  gaps.lines = call.out[0].shape[0] * std::ssize(gaps.line_is_gap);
  gaps.any = !gaps.runs.empty() || std::ranges::count(gaps.line_is_gap, true) > 0;
  return gaps;
}

float result_of(const Weights<float>& weights, size_t channel) {
  return std::clamp(weights.bias[channel], weights.out.lo, weights.out.hi);
}
uint8_t result_of(const Weights<uint8_t>& weights, size_t channel) {
  return static_cast<uint8_t>(requantize_value(weights.bias[channel], weights.multiplier[channel],
                                               weights.out.zero_point, weights.out.lo, weights.out.hi));
}

// A pixel of biases alone.
template <typename T>
Tensor lone_pixel(const CompileCall& call) {
  const Weights<T> weights = weights_with<T>(call, {});
  Tensor out = make_tensor(dtype_of<T>, Shape{std::ssize(weights.bias)});
  for (size_t c = 0; c < weights.bias.size(); ++c) out.as<T>()[c] = result_of(weights, c);
  return out;
}

template <typename T>
void fill_gaps(const Gaps& gaps, const Tensor& pixel, T* out, const PartDone& done) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  const int64_t channels = elements(pixel.type.shape);
  const auto fill = [&](int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; ++i) std::copy_n(pixel.as<T>(), channels, out + i * channels);
    if (done) done({.first = first * channels, .count = count * channels});
  };
  parallel_blocks(gaps.lines, kGrain / (gaps.extent * channels) + 1, [&](int64_t first, int64_t end) {
    for (int64_t line = first; line < end; ++line) {
      const bool is_gap = gaps.line_is_gap[static_cast<size_t>(line % std::ssize(gaps.line_is_gap))];
      if (is_gap) fill(line * gaps.extent, gaps.extent);
      for (size_t i = 0; !is_gap && i < gaps.runs.size(); ++i)
        fill(line * gaps.extent + gaps.runs[i].first, gaps.runs[i].second - gaps.runs[i].first);
    }
  });
}

// ---- ONNX ----

Ints take_output_shape(OnnxNode& node, size_t axes) {
  Ints shape = take_attr<Ints>(node.attrs, "output_shape", {});
  if (shape.size() == axes + 2) shape.erase(shape.begin(), shape.begin() + 2);
  if (!shape.empty() && shape.size() != axes)
    throw Error(ErrorKind::kInvalid,
                text("output_shape has ", shape.size(), " entries, wanted one per spatial axis, ", axes));
  return shape;
}

// Pads and output_padding such that the outputs become these. What does not divide is taken away before the
// image, but for SAME_UPPER behind it.
void pad_to(OnnxNode& node, Window window, const Ints& wanted, bool upper) {
  Ints padding = output_padding_of(node.attrs, window);
  for (size_t axis = 0; axis < wanted.size(); ++axis) {
    const int64_t in = node.inputs[0].type.shape[static_cast<int>(axis) + 2];
    // With SAME the wanted extents are in * stride, so that `in` does not count.
    const int64_t full = full_extent(window, axis, is_free(in) ? 1 : in) + padding[axis];
    const int64_t more = full - (is_free(in) ? window.strides[axis] : wanted[axis]);
    const int64_t total = std::max<int64_t>(0, more);
    window.begins[axis] = upper ? total / 2 : total - total / 2;
    window.ends[axis] = total - window.begins[axis];
    padding[axis] += std::max<int64_t>(0, -more);
  }
  Ints pads = window.begins;
  pads.insert(pads.end(), window.ends.begin(), window.ends.end());
  node.attrs["pads"] = pads;
  node.attrs["output_padding"] = padding;
}

}  // namespace

std::vector<Shape> infer_conv_transpose(const Attrs& attrs, std::span<const TensorType> in,
                                        int spatial_axes) {
  const Shape &input = in[0].shape, &weight = in[1].shape;
  if (input.rank != spatial_axes + 2)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(input), ", wanted rank ", spatial_axes + 2));
  const int64_t group = attr_int(attrs, "group");
  check_weight(input, weight, group);
  check_bias(in, weight[1] * group);
  check_clamp(attrs);
  const Window window = window_of(attrs, kernel_of(weight));
  const Ints padding = output_padding_of(attrs, window);
  Shape out = input;
  out[1] = weight[1] * group;
  for (size_t axis = 0; axis < padding.size(); ++axis) {
    int64_t& extent = out[static_cast<int>(axis) + 2];
    if (is_free(extent)) {
      extent = kFree;
      continue;
    }
    if (extent < 1 || extent > kMost)
      throw Error(ErrorKind::kInvalid,
                  text("input is ", to_string(input), ", wanted extents of 1 to ", kMost));
    extent = full_extent(window, axis, extent) + padding[axis] - window.begins[axis] - window.ends[axis];
    if (extent < 1 || extent > kMost)
      throw Error(ErrorKind::kInvalid,
                  text("output extent of spatial axis ", axis, " is ", extent, ", wanted 1 to ", kMost));
  }
  return {out};
}

int64_t conv_transpose_macs(const Attrs&, std::span<const TensorType> in, const Shape&) {
  return count_macs(in[0].shape, elements(in[1].shape) / in[1].shape[0]);
}

template <typename T>
Run compile_conv_transpose(const CompileCall& call) {
  const WeightsShape shape = weights_shape(call.in[1].shape, attr_int(call.attrs, "group"));
  if (shape.groups > 1 && shape.k == 1 && shape.columns == 1) return compile_depthwise<T>(call);
  std::vector<Gemm<T>> phases;
  for (const Phase& phase : phases_of(call)) phases.push_back(plan_phase<T>(call, phase));
  Gaps gaps = gaps_of(call);
  Tensor pixel = gaps.any ? lone_pixel<T>(call) : Tensor{};
  return [phases = std::make_shared<const std::vector<Gemm<T>>>(std::move(phases)),
          gaps = std::make_shared<const Gaps>(std::move(gaps)), pixel = std::move(pixel),
          epilogue = call.epilogue](const RunCall& run) {
    const PartDone done = part_done(epilogue, run);
    T* out = run.out[0].template as<T>();
    run_gemms(std::span<const Gemm<T>>(*phases), run.in[0].template as<T>(), out, done);
    if (gaps->any) fill_gaps(*gaps, pixel, out, done);
  };
}

template Run compile_conv_transpose<float>(const CompileCall&);
template Run compile_conv_transpose<uint8_t>(const CompileCall&);

bool map_onnx_conv_transpose(OnnxNode& node, int spatial_axes) {
  const Shape& input = node.inputs.at(0).type.shape;
  if (input.rank != spatial_axes + 2) return false;
  const Shape& weight = node.inputs.at(1).type.shape;
  drop_absent_bias(node);
  if (weight.rank != input.rank)
    throw Error(ErrorKind::kInvalid, text("weight is ", to_string(weight), ", input is ", to_string(input),
                                          ", wanted rank ", input.rank));
  const Ints kernel = kernel_of(weight), given = take_attr<Ints>(node.attrs, "kernel_shape", kernel);
  if (given != kernel)
    throw Error(ErrorKind::kInvalid, text("kernel_shape is ", to_string(make_shape(given)), ", weight is ",
                                          to_string(weight), ", wanted ", to_string(make_shape(kernel))));
  const std::string mode = take_attr<std::string>(node.attrs, "auto_pad", "NOTSET");
  const bool upper = mode == "SAME_UPPER";
  Ints wanted = take_output_shape(node, kernel.size());
  if (!upper && mode != "SAME_LOWER" && mode != "NOTSET" && mode != "VALID")
    throw Error(ErrorKind::kInvalid,
                text("auto_pad is \"", mode, "\", wanted NOTSET, SAME_UPPER, SAME_LOWER or VALID"));
  if (mode != "NOTSET" || !wanted.empty()) node.attrs.erase("pads");
  const Ints zeros(kernel.size(), 0), ones(kernel.size(), 1);
  node.attrs.emplace("group", int64_t{1});
  node.attrs.emplace("strides", ones);
  node.attrs.emplace("dilations", ones);
  node.attrs.emplace("output_padding", zeros);
  node.attrs.emplace("pads", Ints(2 * kernel.size(), 0));
  const Window window = window_of(node.attrs, kernel);
  for (const int64_t extent : spatial(input)) {
    if (is_free(extent) && !wanted.empty())
      throw Error(ErrorKind::kUnsupported,
                  text("output_shape with an input ", to_string(input), ", wanted fixed spatial extents"));
  }
  if (wanted.empty() && (upper || mode == "SAME_LOWER")) {
    for (size_t axis = 0; axis < kernel.size(); ++axis)
      wanted.push_back(spatial(input)[axis] * window.strides[axis]);
  }
  if (!wanted.empty()) pad_to(node, window, wanted, upper);
  return true;
}

}  // namespace q
