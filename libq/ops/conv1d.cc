// conv1d: convolution along one axis, dense, grouped or depthwise.
#include "ops/shared/conv.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_conv(attrs, in, 1);
}
bool map_onnx(OnnxNode& node) { return map_onnx_conv(node, 1); }

constexpr AttrSpec kAttrs[] = {
    {"strides", "step of the window", AttrKind::kInts, "1"},
    {"pads", "zeros before and behind the input", AttrKind::kInts, "0,0"},
    {"dilations", "distance of the kernel's taps", AttrKind::kInts, "1"},
    {"group", "channels are cut into so many independent parts", AttrKind::kInt, "1"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr OnnxName kOnnx[] = {{"Conv", 7, map_onnx}};

constexpr Shape kDense[] = {{2, 5, 19}, {7, 5, 3}, {7}};         // odd channels, tails of rows and columns
constexpr Shape kPointwise[] = {{1, 64, 9}, {65, 64, 1}, {65}};  // one column beyond a vector
constexpr Shape kGroups[] = {{1, 6, 16}, {9, 2, 4}};
constexpr Shape kDepthwise[] = {{2, 17, 21}, {17, 1, 5}, {17}};
constexpr Case kCases[] = {
    {.attrs = "pads=1,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "strides=2;dilations=3;pads=4,1", .inputs = kDense, .constants_from = 1},
    {.attrs = "min=0", .inputs = kPointwise, .constants_from = 1},
    {.attrs = "group=3;strides=3;pads=0,2", .inputs = kGroups, .constants_from = 1},
    {.attrs = "group=17;pads=2,2;min=-0.5;max=0.5", .inputs = kDepthwise, .constants_from = 1},
};

}  // namespace

extern const OpDef op_conv1d;
constinit const OpDef op_conv1d = {
    .name = "conv1d",
    .doc =
        "convolution over one axis of x [N, C, L] with weight [O, C / group, K] and bias [O], clamped to "
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
