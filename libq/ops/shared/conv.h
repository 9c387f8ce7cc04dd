// Convolution over any number of spatial axes; the operators differ only in that number.
//   y[n][o][p] = clamp(bias[o] + sum over taps t and input channels i of o's group of
//                      x[n][i][p * stride + t * dilation - pad] * weight[o][i][t], min, max)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "q/op.h"

namespace q {

// x [N, C, spatial...], weight [O, C / group, kernel...], bias [O] or none.
std::vector<Shape> infer_conv(const Attrs& attrs, std::span<const TensorType> in, int spatial_axes);
int64_t conv_macs(const Attrs& attrs, std::span<const TensorType> in, const Shape& out);
// Activations of type T, float or uint8_t, are stored channels-last.
template <typename T>
Run compile_conv(const CompileCall& call);
// ONNX's Conv over so many axes.
bool map_onnx_conv(OnnxNode& node, int spatial_axes);

}  // namespace q
