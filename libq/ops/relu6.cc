// relu6: min(max(x, 0), 6).
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float relu6(const Attrs&, float x) noexcept { return x < 0 ? 0.f : x > 6 ? 6.f : x; }

Run compile_f32(const CompileCall& call) { return compile_clamp_f32(call, 0, 6); }

bool map_clip(OnnxNode& node) {
  if (clip_limits(node) != ClipLimits{0, 6}) return false;
  drop_clip_limits(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Clip", 7, map_clip}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 10},
    {.inputs = kOdd, .lo = 5, .hi = 7},
};

}  // namespace

extern const OpDef op_relu6;
constinit const OpDef op_relu6 = {
    .name = "relu6",
    .doc = "min(max(x, 0), 6), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .unary = relu6,
    .cases = kCases,
};

}  // namespace q
