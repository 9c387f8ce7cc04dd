// conv2d: convolution over images, dense, grouped or depthwise.
#include "ops/shared/conv.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_conv(attrs, in, 2);
}
bool map_onnx(OnnxNode& node) { return map_onnx_conv(node, 2); }

constexpr AttrSpec kAttrs[] = {
    {"strides", "step of the window per axis", AttrKind::kInts, "1,1"},
    {"pads", "zeros around the input: top, left, bottom, right", AttrKind::kInts, "0,0,0,0"},
    {"dilations", "distance of the kernel's taps per axis", AttrKind::kInts, "1,1"},
    {"group", "channels are cut into so many independent parts", AttrKind::kInt, "1"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr OnnxName kOnnx[] = {{"Conv", 7, map_onnx}};

constexpr Shape kDense[] = {{2, 3, 9, 7}, {13, 3, 3, 3}, {13}};   // odd channels, tails of rows and columns
constexpr Shape kStem[] = {{1, 3, 17, 18}, {16, 3, 7, 7}, {16}};  // as the first layer of a ResNet
constexpr Shape kPointwise[] = {{1, 64, 3, 5}, {65, 64, 1, 1}, {65}};  // one column beyond a vector
constexpr Shape kNarrow[] = {{2, 63, 4, 4}, {1, 63, 2, 2}};            // a single column
constexpr Shape kGroups[] = {{1, 8, 6, 7}, {12, 2, 3, 3}, {12}};
constexpr Shape kDepthwise[] = {{2, 19, 8, 9}, {19, 1, 3, 3}, {19}};
constexpr Shape kMultiplied[] = {
    {1, 5, 6, 6}, {10, 1, 3, 3}, {10}};  // two outputs per channel: no depthwise kernel
constexpr Case kCases[] = {
    {.attrs = "pads=1,1,1,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2,1;dilations=1,2;pads=0,3,2,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2,2;pads=3,3,3,3;min=0", .inputs = kStem, .constants_from = 1},
    {.attrs = "", .inputs = kPointwise, .constants_from = 1},
    {.attrs = "strides=2,2", .inputs = kPointwise, .constants_from = 1},
    {.attrs = "", .inputs = kNarrow, .constants_from = 1},
    {.attrs = "group=4;pads=1,1,1,1;min=0;max=6", .inputs = kGroups, .constants_from = 1},
    {.attrs = "group=19;pads=1,1,1,1;min=0;max=6", .inputs = kDepthwise, .constants_from = 1},
    {.attrs = "group=19;strides=2,2;dilations=2,1;pads=2,0,1,1", .inputs = kDepthwise, .constants_from = 1},
    {.attrs = "group=5;pads=1,1,1,1", .inputs = kMultiplied, .constants_from = 1},
};

}  // namespace

extern const OpDef op_conv2d;
constinit const OpDef op_conv2d = {
    .name = "conv2d",
    .doc =
        "convolution of x [N, C, H, W] with weight [O, C / group, KH, KW] and bias [O], clamped to [min, "
        "max]",
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
