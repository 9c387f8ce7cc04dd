// pixel_shuffle: y[n, c, h * b + i, w * b + j] = x[n, (c * b + i) * b + j, h, w].
#include <vector>

#include "base/text.h"
#include "ops/shared/pixels.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  check_pixels(attrs, in[0]);
  const int64_t block = attr_int(attrs, "blocksize");
  Shape out = in[0].shape;
  if (out[1] % (block * block) != 0)
    throw Error(ErrorKind::kInvalid,
                text("input has ", out[1], " channels, wanted a multiple of ", block * block));
  out[1] /= block * block;
  out[2] *= block;
  out[3] *= block;
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_boxes<T>(call, {pixel_box(call.attrs, call.in[0].shape, false)});
}

// Without a mode, and until opset 10 always, the channels are the innermost.
bool map_onnx(OnnxNode& node) {
  node.attrs.try_emplace("mode", "DCR");
  return true;
}

constexpr OnnxName kOnnx[] = {{"DepthToSpace", 7, map_onnx}};

constexpr Shape kImage[] = {{2, 12, 3, 5}};
constexpr Shape kDeep[] = {{1, 72, 2, 3}};
constexpr Case kCases[] = {
    {.attrs = "blocksize=2", .inputs = kImage},
    {.attrs = "blocksize=2;mode=DCR", .inputs = kImage},
    {.attrs = "blocksize=3", .inputs = kDeep},
    {.attrs = "blocksize=1", .inputs = kImage},
};

}  // namespace

extern const OpDef op_pixel_shuffle;
constinit const OpDef op_pixel_shuffle = {
    .name = "pixel_shuffle",
    .doc = "channels as blocks of pixels: [N, C * b * b, H, W] to [N, C, H * b, W * b]",
    .attrs = kPixelAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
