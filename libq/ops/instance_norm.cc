// instance_norm: (x - mean) / sqrt(var + epsilon) * weight + bias over each channel of each sample.
#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/normalize.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs&, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  if (shape.rank < 3 || product(shape, 2, shape.rank) == 0)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(shape), ", wanted rank 3 or more, and elements"));
  check_parameter_shapes(in, Shape{shape[1]});
  return {shape};
}

GroupPlan plan_of(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const int64_t pixels = product(shape, 2, shape.rank);
  return {.groups = product(shape, 0, 2),
          .n = pixels,
          .parameters = shape[1],
          .per_parameter = pixels,
          .epsilon = attr_float(call.attrs, "epsilon")};
}

Run compile_f32(const CompileCall& call) { return compile_normalize_f32(call, plan_of(call)); }
Run compile_quant(const CompileCall& call) { return compile_normalize_u8(call, plan_of(call)); }

constexpr OnnxName kOnnx[] = {{"InstanceNormalization"}};

constexpr AttrSpec kAttrs[] = {
    {"epsilon", "added to the variance", AttrKind::kFloat, "1e-5"},
};

constexpr Shape kImage[] = {{2, 6, 5, 7}, {6}, {6}};
constexpr Shape kPlain[] = {{3, 8, 300}};
constexpr Shape kVolume[] = {{1, 3, 2, 5, 4}, {3}};
constexpr Case kCases[] = {
    {.inputs = kImage, .constants_from = 1},
    {.attrs = "epsilon=0.01", .inputs = kPlain, .lo = 2, .hi = 3},
    {.inputs = kVolume, .lo = -4, .hi = 4, .constants_from = 1},
};

}  // namespace

extern const OpDef op_instance_norm;
constinit const OpDef op_instance_norm = {
    .name = "instance_norm",
    .doc =
        "(x - mean) / sqrt(var + epsilon) * weight + bias over each channel (axis 1) of each sample; inputs "
        "x, weight and bias per channel, or less",
    .inputs_max = 3,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .parameters_from = 1,
    .infer = infer,
    .samples = samples_beside_channels,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
