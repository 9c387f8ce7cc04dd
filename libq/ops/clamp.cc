// clamp: min(max(x, min), max).
#include <limits>
#include <vector>

#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  check_clamp(attrs);
  return infer_same(attrs, in);
}

float lowest_of(const Attrs& attrs) { return static_cast<float>(attr_float(attrs, "min")); }
float highest_of(const Attrs& attrs) { return static_cast<float>(attr_float(attrs, "max")); }

float clamp(const Attrs& attrs, float x) noexcept {
  const float lo = lowest_of(attrs), hi = highest_of(attrs);
  return x < lo ? lo : x > hi ? hi : x;
}

Run compile_f32(const CompileCall& call) {
  return compile_clamp_f32(call, lowest_of(call.attrs), highest_of(call.attrs));
}

bool map_clip(OnnxNode& node) {
  const ClipLimits limits = clip_limits(node);
  // those two are relu and relu6
  if (limits == ClipLimits{0, std::numeric_limits<double>::infinity()} || limits == ClipLimits{0, 6})
    return false;
  drop_clip_limits(node);
  node.attrs.insert_or_assign("min", limits.lo);
  node.attrs.insert_or_assign("max", limits.hi);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Clip", 7, map_clip}};

constexpr AttrSpec kAttrs[] = {
    {"min", "lower limit", AttrKind::kFloat, "-inf"},
    {"max", "upper limit", AttrKind::kFloat, "inf"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.attrs = "min=-1;max=1", .inputs = kRow, .lo = -4, .hi = 4},  // torch's hardtanh
    {.attrs = "min=0.25", .inputs = kOdd},                         // one side, and no level at the limit
    {.attrs = "max=-0.5", .inputs = kOdd},
};

}  // namespace

extern const OpDef op_clamp;
constinit const OpDef op_clamp = {
    .name = "clamp",
    .doc = "min(max(x, min), max), elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .unary = clamp,
    .cases = kCases,
};

}  // namespace q
