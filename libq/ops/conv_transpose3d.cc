// conv_transpose3d: transposed convolution over volumes, dense or grouped.
#include "ops/shared/conv_transpose.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_conv_transpose(attrs, in, 3);
}
bool map_onnx(OnnxNode& node) { return map_onnx_conv_transpose(node, 3); }

constexpr AttrSpec kAttrs[] = {
    {"strides", "step of the window in the output per axis", AttrKind::kInts, "1,1,1"},
    {"pads", "taken away before all axes, then behind them, of the output", AttrKind::kInts, "0,0,0,0,0,0"},
    {"output_padding", "added behind the output per axis", AttrKind::kInts, "0,0,0"},
    {"dilations", "distance of the kernel's taps per axis", AttrKind::kInts, "1,1,1"},
    {"group", "channels are cut into so many independent parts", AttrKind::kInt, "1"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr OnnxName kOnnx[] = {{"ConvTranspose", 7, map_onnx}};

constexpr Shape kDense[] = {
    {2, 3, 3, 4, 5}, {3, 13, 2, 3, 3}, {13}};                       // odd channels, tails of rows and columns
constexpr Shape kUp[] = {{1, 20, 2, 3, 4}, {20, 9, 2, 2, 2}, {9}};  // as in the second half of a U-Net
constexpr Shape kSparse[] = {
    {1, 3, 2, 2, 3}, {3, 5, 1, 2, 1}, {5}};  // strides that leave outputs to the bias
constexpr Shape kGroups[] = {{1, 8, 2, 3, 3}, {8, 3, 3, 2, 2}, {12}};
constexpr Shape kDepthwise[] = {{2, 19, 2, 3, 4}, {19, 1, 2, 3, 3}, {19}};
constexpr Case kCases[] = {
    {.attrs = "pads=0,1,1,1,1,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2,1,3;dilations=1,2,2;pads=0,3,2,1,0,1;output_padding=1,1,0",
     .inputs = kDense,
     .constants_from = 1},
    {.attrs = "strides=2,2,2;min=0", .inputs = kUp, .constants_from = 1},
    {.attrs = "strides=2,3,2;output_padding=1,2,1", .inputs = kSparse, .constants_from = 1},
    {.attrs = "group=4;strides=1,2,2;pads=1,0,0,1,1,1;min=0;max=6", .inputs = kGroups, .constants_from = 1},
    {.attrs = "group=19;strides=2,2,2;pads=0,1,1,1,1,0", .inputs = kDepthwise, .constants_from = 1},
};

}  // namespace

extern const OpDef op_conv_transpose3d;
constinit const OpDef op_conv_transpose3d = {
    .name = "conv_transpose3d",
    .doc =
        "transposed convolution of x [N, C, D, H, W] with weight [C, O / group, KD, KH, KW] and bias [O], "
        "clamped to [min, max]",
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
