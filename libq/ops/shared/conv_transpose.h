// Transposed convolution over any number of spatial axes; the operators differ only in that number.
//   y[n][o][p] = clamp(bias[o] + sum over taps t and input channels i of o's group, where
//                      q = (p + pad - t * dilation) / stride is a pixel of x, of
//                      x[n][i][q] * weight[i][o of its group][t], min, max)
// It is computed as so many ordinary convolutions as there are remainders of p + pad by the stride, each with
// the taps that meet the remainder and for the outputs that have it. A float sum starts from the bias and
// adds a fused product for each tap, from the last to the first, and each input channel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "q/op.h"

namespace q {

// x [N, C, spatial...], weight [C, O / group, kernel...], bias [O] or none.
std::vector<Shape> infer_conv_transpose(const Attrs& attrs, std::span<const TensorType> in, int spatial_axes);
int64_t conv_transpose_macs(const Attrs& attrs, std::span<const TensorType> in, const Shape& out);
// Activations of type T, float or uint8_t, are stored channels-last.
template <typename T>
Run compile_conv_transpose(const CompileCall& call);
// ONNX's ConvTranspose over so many axes.
bool map_onnx_conv_transpose(OnnxNode& node, int spatial_axes);

}  // namespace q
