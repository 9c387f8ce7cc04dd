// conv_transpose1d: transposed convolution along one axis, dense or grouped.
#include "ops/shared/conv_transpose.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_conv_transpose(attrs, in, 1);
}
bool map_onnx(OnnxNode& node) { return map_onnx_conv_transpose(node, 1); }

constexpr AttrSpec kAttrs[] = {
    {"strides", "step of the window in the output", AttrKind::kInts, "1"},
    {"pads", "taken away before and behind the output", AttrKind::kInts, "0,0"},
    {"output_padding", "added behind the output", AttrKind::kInts, "0"},
    {"dilations", "distance of the kernel's taps", AttrKind::kInts, "1"},
    {"group", "channels are cut into so many independent parts", AttrKind::kInt, "1"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr OnnxName kOnnx[] = {{"ConvTranspose", 7, map_onnx}};

constexpr Shape kDense[] = {{2, 5, 11}, {5, 7, 3}, {7}};    // odd channels, tails of rows and columns
constexpr Shape kWide[] = {{1, 64, 5}, {64, 65, 4}, {65}};  // one column beyond a vector
constexpr Shape kSparse[] = {{2, 3, 6}, {3, 4, 2}, {4}};    // strides that leave outputs to the bias
constexpr Shape kGroups[] = {{1, 6, 9}, {6, 4, 3}, {12}};
constexpr Shape kDepthwise[] = {{2, 17, 9}, {17, 1, 4}, {17}};
constexpr Case kCases[] = {
    {.attrs = "pads=1,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2;output_padding=1;pads=1,0", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=3;dilations=2;pads=2,1;min=-0.5;max=0.5", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2;pads=1,1;min=0", .inputs = kWide, .constants_from = 1},
    {.attrs = "strides=5;output_padding=4;pads=0,1", .inputs = kSparse, .constants_from = 1},
    {.attrs = "group=3;strides=2", .inputs = kGroups, .constants_from = 1},
    {.attrs = "group=17;strides=2;pads=1,1", .inputs = kDepthwise, .constants_from = 1},
};

}  // namespace

extern const OpDef op_conv_transpose1d;
constinit const OpDef op_conv_transpose1d = {
    .name = "conv_transpose1d",
    .doc =
        "transposed convolution of x [N, C, L] with weight [C, O / group, K] and bias [O], clamped to [min, "
        "max]",
    .inputs_min = 2,
    .inputs_max = 3,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .weight = 1,
    .bias = 2,
    .weight_axis = 1,
    .takes_epilogue = true,
    .infer = infer,
    .samples = samples_beside_window,
    .f32 = compile_conv_transpose<float>,
    .quant = compile_conv_transpose<uint8_t>,
    .macs = conv_transpose_macs,
    .cases = kCases,
};

}  // namespace q
