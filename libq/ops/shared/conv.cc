#include "ops/shared/conv.h"

#include <memory>
#include <string>
#include <utility>

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
    refuse("input has ", input[1] == kFree ? "a free number of" : std::to_string(input[1]),
           " channels, wanted ", weight[1] * group);
}

WeightsShape weights_shape(const Shape& weight, int64_t group) {
  int64_t taps = 1;
  for (const int64_t extent : spatial(weight)) taps *= extent;
  return {.groups = group, .columns = weight[0] / group, .k = weight[1], .taps = taps};
}

ImageRows image_rows(const CompileCall& call) {
  const Shape &in = call.in[0].shape, &out = call.out[0].shape;
  const int64_t channels = in[1];
  ImageRows rows;
  rows.window =
      offset_table(window_of(call.attrs, kernel_of(call.in[1].shape)), spatial(in), spatial(out), channels);
  rows.count = in[0] * rows.window.pixels;
  rows.image_stride = channels;
  for (const int64_t extent : spatial(in)) rows.image_stride *= extent;
  return rows;
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
  const Weights<T> weights = weights_of<T>(call, shape);
  if (shape.groups > 1 && shape.columns == 1 && shape.k == 1) {
    const auto depthwise =
        std::make_shared<const Depthwise<T>>(plan_depthwise(weights, image_rows(call), call.kernels));
    return [depthwise](const RunCall& run) {
      run_depthwise(*depthwise, run.in[0].template as<T>(), run.out[0].template as<T>());
    };
  }
  const auto gemm = std::make_shared<const Gemm<T>>(plan_gemm(weights, image_rows(call), call.kernels));
  return [gemm](const RunCall& run) {
    run_gemm(*gemm, run.in[0].template as<T>(), run.out[0].template as<T>());
  };
}

template Run compile_conv<float>(const CompileCall&);
template Run compile_conv<uint8_t>(const CompileCall&);

bool map_onnx_conv(OnnxNode& node, int spatial_axes) {
  const Shape& input = node.inputs.at(0).type.shape;
  if (input.rank != spatial_axes + 2) return false;
  const Shape& weight = onnx_constant(node, 1, "weight").type.shape;
  check_onnx_bias(node);
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
