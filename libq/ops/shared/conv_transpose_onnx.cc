// ONNX's ConvTranspose: an output shape that is wanted becomes padding.
#include <algorithm>
#include <string>

#include "base/text.h"
#include "ops/shared/conv_transpose.h"
#include "ops/shared/onnx.h"
#include "ops/shared/transposed_window.h"
#include "ops/shared/weights.h"
#include "ops/shared/window.h"

namespace q {

namespace {

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
