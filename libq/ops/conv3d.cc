// conv3d: convolution over volumes, dense, grouped or depthwise.
#include "ops/shared/conv.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_conv(attrs, in, 3);
}
bool map_onnx(OnnxNode& node) { return map_onnx_conv(node, 3); }

constexpr AttrSpec kAttrs[] = {
    {"strides", "step of the window per axis", AttrKind::kInts, "1,1,1"},
    {"pads", "zeros before all axes of the input, then behind them", AttrKind::kInts, "0,0,0,0,0,0"},
    {"dilations", "distance of the kernel's taps per axis", AttrKind::kInts, "1,1,1"},
    {"group", "channels are cut into so many independent parts", AttrKind::kInt, "1"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr OnnxName kOnnx[] = {{"Conv", 7, map_onnx}};

constexpr Shape kDense[] = {
    {2, 3, 4, 6, 5}, {13, 3, 2, 3, 3}, {13}};                       // odd channels, tails of rows and columns
constexpr Shape kStem[] = {{1, 3, 5, 8, 9}, {8, 3, 3, 5, 5}, {8}};  // few channels: taps along a line are one
constexpr Shape kPointwise[] = {{1, 64, 2, 3, 3}, {65, 64, 1, 1, 1}, {65}};  // one column beyond a vector
constexpr Shape kFactored[] = {{2, 17, 6, 3, 3}, {9, 17, 3, 1, 1}};          // along time only
constexpr Shape kGroups[] = {{1, 8, 3, 5, 4}, {12, 2, 2, 3, 3}, {12}};
constexpr Shape kDepthwise[] = {{2, 19, 4, 5, 6}, {19, 1, 3, 3, 3}, {19}};
constexpr Shape kMultiplied[] = {{1, 5, 3, 4, 4}, {10, 1, 2, 3, 3}, {10}};  // two outputs per channel
constexpr Case kCases[] = {
    {.attrs = "pads=0,1,1,1,1,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2,1,2;dilations=2,1,2;pads=1,0,2,0,3,2", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=1,2,2;pads=1,2,2,1,2,2;min=0", .inputs = kStem, .constants_from = 1},
    {.attrs = "", .inputs = kPointwise, .constants_from = 1},
    {.attrs = "strides=2,2,2", .inputs = kPointwise, .constants_from = 1},
    {.attrs = "strides=2,1,1;pads=1,0,0,1,0,0", .inputs = kFactored, .constants_from = 1},
    {.attrs = "group=4;pads=1,1,1,1,1,1;min=0;max=6", .inputs = kGroups, .constants_from = 1},
    {.attrs = "group=19;pads=1,1,1,1,1,1;min=0;max=6", .inputs = kDepthwise, .constants_from = 1},
    {.attrs = "group=19;strides=1,2,2;dilations=1,2,1;pads=0,2,0,1,1,1",
     .inputs = kDepthwise,
     .constants_from = 1},
    {.attrs = "group=5;pads=0,1,1,1,1,1", .inputs = kMultiplied, .constants_from = 1},
};

}  // namespace

extern const OpDef op_conv3d;
constinit const OpDef op_conv3d = {
    .name = "conv3d",
    .doc =
        "convolution of x [N, C, D, H, W] with weight [O, C / group, KD, KH, KW] and bias [O], clamped to "
        "[min, max]",
    .inputs_min = 2,
    .inputs_max = 3,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .weight = 1,
    .bias = 2,
    .weight_axis = 0,
    .takes_epilogue = true,
    .infer = infer,
    .samples = samples_beside_window,
    .f32 = compile_conv<float>,
    .quant = compile_conv<uint8_t>,
    .macs = conv_macs,
    .cases = kCases,
};

}  // namespace q
