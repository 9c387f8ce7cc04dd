#include "ops/shared/conv_transpose.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/depthwise.h"
#include "ops/shared/gemm.h"
#include "ops/shared/transposed_window.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"
#include "q/quant.h"

namespace q {

namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // of any extent

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

Window transposed_window(const CompileCall& call) {
  return window_of(call.attrs, kernel_of(call.in[1].shape));
}

// Of the weight as an ordinary convolution has it: [groups * columns, k, taps].
WeightsShape weights_shape(const Shape& weight, int64_t group) {
  int64_t taps = 1;
  for (const int64_t extent : spatial(weight)) taps *= extent;
  return {.groups = group, .columns = weight[1], .k = weight[0] / group, .taps = taps};
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
  const Window window = transposed_window(call);
  std::vector<Gemm<T>> phases;
  for (const Phase& phase : phases_of(window, spatial(call.out[0].shape)))
    phases.push_back(plan_phase<T>(call, phase));
  Gaps gaps = gaps_of(window, spatial(call.out[0].shape), call.out[0].shape[0]);
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

}  // namespace q
