// rms_norm: x / sqrt(mean of x^2 + epsilon) * weight over an axis and all axes behind it.
#include "ops/shared/normalize.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) {
  return compile_normalize_f32(call, normalize_over_axes(call, false));
}
Run compile_quant(const CompileCall& call) {
  return compile_normalize_u8(call, normalize_over_axes(call, false));
}

bool map_onnx(OnnxNode& node) {
  take_stash_type(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"RMSNormalization", 23, map_onnx},
                              {"SimplifiedLayerNormalization", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the first of the axes over which it goes", AttrKind::kInt, "-1"},
    {"epsilon", "added to the mean of the squares", AttrKind::kFloat, "1e-5"},
};

constexpr Shape kTokens[] = {{2, 5, 37}, {37}};
constexpr Shape kPlain[] = {{3, 64}};
constexpr Shape kScaled[] = {{4, 300}, {300}};
constexpr Shape kImage[] = {{2, 3, 5, 7}, {3, 5, 7}};
constexpr Case kCases[] = {
    {.inputs = kTokens, .constants_from = 1},
    {.inputs = kPlain, .lo = 2, .hi = 3},
    {.attrs = "axis=1;epsilon=0.01", .inputs = kScaled, .constants_from = 1},
    {.attrs = "axis=1", .inputs = kImage, .lo = -4, .hi = 4, .constants_from = 1},
};

}  // namespace

extern const OpDef op_rms_norm;
constinit const OpDef op_rms_norm = {
    .name = "rms_norm",
    .doc =
        "x / sqrt(mean of x^2 + epsilon) * weight over an axis and all axes behind it; inputs x and perhaps "
        "a weight of their extents",
    .inputs_max = 2,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .parameters_from = 1,
    .infer = infer_normalize,
    .samples = samples_beside_normalized,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
