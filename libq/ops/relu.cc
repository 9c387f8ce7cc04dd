// relu: max(x, 0).
#include <limits>

#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float relu(const Attrs&, float x) noexcept { return x < 0 ? 0.f : x; }

Run compile_f32(const CompileCall& call) {
  return compile_clamp_f32(call, 0, std::numeric_limits<float>::infinity());
}

bool map_clip(OnnxNode& node) {
  if (clip_limits(node) != ClipLimits{0, std::numeric_limits<double>::infinity()}) return false;
  drop_clip_limits(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Relu"}, {"Clip", 7, map_clip}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 6},
};

}  // namespace

extern const OpDef op_relu;
constinit const OpDef op_relu = {
    .name = "relu",
    .doc = "max(x, 0), elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .unary = relu,
    .cases = kCases,
};

}  // namespace q
