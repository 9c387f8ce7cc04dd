// pixel_unshuffle: y[n, (c * b + i) * b + j, h, w] = x[n, c, h * b + i, w * b + j].
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
  if (out[2] % block != 0 || out[3] % block != 0)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(out), ", wanted rows and columns in blocks of ", block));
  out[1] *= block * block;
  out[2] /= block;
  out[3] /= block;
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_boxes<T>(call, {pixel_box(call.attrs, call.out[0].shape, true)});
}

bool map_onnx(OnnxNode& node) {
  node.attrs.emplace("mode", "DCR");
  return true;
}

constexpr OnnxName kOnnx[] = {{"SpaceToDepth", 7, map_onnx}};

constexpr Shape kImage[] = {{2, 3, 6, 10}};
constexpr Shape kWide[] = {{1, 8, 6, 9}};
constexpr Case kCases[] = {
    {.attrs = "blocksize=2", .inputs = kImage},
    {.attrs = "blocksize=2;mode=DCR", .inputs = kImage},
    {.attrs = "blocksize=3", .inputs = kWide},
};

}  // namespace

extern const OpDef op_pixel_unshuffle;
constinit const OpDef op_pixel_unshuffle = {
    .name = "pixel_unshuffle",
    .doc = "blocks of pixels as channels: [N, C, H * b, W * b] to [N, C * b * b, H, W]",
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
