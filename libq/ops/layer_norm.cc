// layer_norm: (x - mean) / sqrt(var + epsilon) * weight + bias over an axis and all axes behind it.
#include "base/text.h"
#include "ops/shared/lines.h"
#include "ops/shared/move.h"
#include "ops/shared/normalize.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const int axis = line_axis(attrs, shape);
  Shape normalized;
  for (int each = axis; each < shape.rank; ++each) normalized[normalized.rank++] = shape[each];
  if (product(shape, axis, shape.rank) == 0)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(shape), ", wanted elements"));
  check_parameter_shapes(in, normalized);
  return {shape};
}

void samples(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  const int axis = line_axis(attrs, in[0].shape);
  if (free_axis(in[0].shape) >= axis)
    throw mixes_samples(text("normalization over axes ", axis, " to ", in[0].shape.rank - 1));
}

GroupPlan plan_of(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const int axis = line_axis(call.attrs, shape);
  const int64_t n = product(shape, axis, shape.rank);
  return {.groups = product(shape, 0, axis),
          .n = n,
          .parameters = n,
          .epsilon = attr_float(call.attrs, "epsilon")};
}

Run compile_f32(const CompileCall& call) { return compile_normalize_f32(call, plan_of(call)); }
Run compile_quant(const CompileCall& call) { return compile_normalize_u8(call, plan_of(call)); }

bool map_onnx(OnnxNode& node) {
  take_stash_type(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"LayerNormalization", 17, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the first of the axes over which it goes", AttrKind::kInt, "-1"},
    {"epsilon", "added to the variance", AttrKind::kFloat, "1e-5"},
};

constexpr Shape kTokens[] = {{2, 5, 37}, {37}, {37}};
constexpr Shape kPlain[] = {{3, 64}};
constexpr Shape kScaled[] = {{4, 300}, {300}};
constexpr Shape kImage[] = {{2, 3, 5, 7}, {3, 5, 7}, {3, 5, 7}};
constexpr Case kCases[] = {
    {.inputs = kTokens, .constants_from = 1},
    {.inputs = kPlain, .lo = 2, .hi = 3},
    {.attrs = "axis=1;epsilon=0.01", .inputs = kScaled, .constants_from = 1},
    {.attrs = "axis=1", .inputs = kImage, .lo = -4, .hi = 4, .constants_from = 1},
};

}  // namespace

extern const OpDef op_layer_norm;
constinit const OpDef op_layer_norm = {
    .name = "layer_norm",
    .doc =
        "(x - mean) / sqrt(var + epsilon) * weight + bias over an axis and all axes behind it; inputs x, "
        "weight and bias of their extents, or less",
    .inputs_max = 3,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .parameters_from = 1,
    .infer = infer,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
