// hardsigmoid: clamp(alpha * x + beta, 0, 1).
#include <algorithm>

#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

struct Line {
  float alpha, beta;

  float operator()(float x) const {
    // torch's form, which no rounded 1/6 gives to the last bit
    if (alpha == 1.f / 6.f && beta == 0.5f) return std::clamp(x + 3.f, 0.f, 6.f) / 6.f;
    return std::clamp(alpha * x + beta, 0.f, 1.f);
  }
};

Line line_of(const Attrs& attrs) {
  return {static_cast<float>(attr_float(attrs, "alpha")), static_cast<float>(attr_float(attrs, "beta"))};
}

float hardsigmoid(const Attrs& attrs, float x) noexcept { return line_of(attrs)(x); }

Run compile_f32(const CompileCall& call) { return compile_elementwise(call, line_of(call.attrs)); }

bool map_onnx(OnnxNode& node) {
  node.attrs.emplace("alpha", 0.2);  // ONNX's default, which is not torch's
  return true;
}

constexpr OnnxName kOnnx[] = {{"HardSigmoid", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"alpha", "slope", AttrKind::kFloat, "0.1666666716337204"},
    {"beta", "value at 0", AttrKind::kFloat, "0.5"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "alpha=0.2;beta=0.5", .inputs = kOdd, .lo = -3, .hi = 3},
};

}  // namespace

extern const OpDef op_hardsigmoid;
constinit const OpDef op_hardsigmoid = {
    .name = "hardsigmoid",
    .doc = "clamp(alpha * x + beta, 0, 1), elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = 1,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .unary = hardsigmoid,
    .cases = kCases,
};

}  // namespace q
