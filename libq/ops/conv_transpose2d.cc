// conv_transpose2d: transposed convolution over images, dense or grouped.
#include "ops/shared/conv_transpose.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_conv_transpose(attrs, in, 2);
}
bool map_onnx(OnnxNode& node) { return map_onnx_conv_transpose(node, 2); }

constexpr AttrSpec kAttrs[] = {
    {"strides", "step of the window in the output per axis", AttrKind::kInts, "1,1"},
    {"pads", "taken away before all axes, then behind them, of the output", AttrKind::kInts, "0,0,0,0"},
    {"output_padding", "added behind the output per axis", AttrKind::kInts, "0,0"},
    {"dilations", "distance of the kernel's taps per axis", AttrKind::kInts, "1,1"},
    {"group", "channels are cut into so many independent parts", AttrKind::kInt, "1"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr OnnxName kOnnx[] = {{"ConvTranspose", 7, map_onnx}};

constexpr Shape kDense[] = {{2, 3, 5, 7}, {3, 13, 3, 3}, {13}};   // odd channels, tails of rows and columns
constexpr Shape kUp[] = {{1, 20, 5, 4}, {20, 9, 2, 2}, {9}};      // as in the second half of a U-Net
constexpr Shape kWide[] = {{1, 64, 3, 5}, {64, 65, 4, 4}, {65}};  // one column beyond a vector
constexpr Shape kSparse[] = {{2, 3, 4, 3}, {3, 5, 2, 1}, {5}};    // strides that leave outputs to the bias
constexpr Shape kGroups[] = {{1, 8, 4, 5}, {8, 3, 3, 2}, {12}};
constexpr Shape kDepthwise[] = {{2, 19, 5, 6}, {19, 1, 4, 4}, {19}};
constexpr Shape kMultiplied[] = {{1, 5, 4, 4}, {5, 2, 3, 3}, {10}};  // two outputs per channel
constexpr Case kCases[] = {
    {.attrs = "pads=1,1,1,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2,1;dilations=1,2;pads=0,3,2,1;output_padding=1,1",
     .inputs = kDense,
     .constants_from = 1},
    {.attrs = "strides=4,6;dilations=6,4;pads=1,0,0,2", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2,2", .inputs = kUp, .constants_from = 1},
    {.attrs = "strides=2,2;pads=1,1,1,1;min=0", .inputs = kWide, .constants_from = 1},
    {.attrs = "strides=3,4;output_padding=2,3;pads=1,0,0,1", .inputs = kSparse, .constants_from = 1},
    {.attrs = "group=4;strides=2,2;pads=1,0,1,1;min=0;max=6", .inputs = kGroups, .constants_from = 1},
    {.attrs = "group=19;strides=2,2;pads=1,1,1,1", .inputs = kDepthwise, .constants_from = 1},
    {.attrs = "group=19;strides=3,1;dilations=1,2;output_padding=1,0",
     .inputs = kDepthwise,
     .constants_from = 1},
    {.attrs = "group=5;strides=1,2", .inputs = kMultiplied, .constants_from = 1},
};

}  // namespace

extern const OpDef op_conv_transpose2d;
constinit const OpDef op_conv_transpose2d = {
    .name = "conv_transpose2d",
    .doc =
        "transposed convolution of x [N, C, H, W] with weight [C, O / group, KH, KW] and bias [O], clamped "
        "to [min, max]",
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
