// group_norm: (x - mean) / sqrt(var + epsilon) * weight + bias over groups of channels of each sample.
#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/normalize.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const int64_t groups = attr_int(attrs, "num_groups");
  if (shape.rank < 2 || product(shape, 1, shape.rank) == 0)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(shape), ", wanted rank 2 or more, and elements"));
  if (groups < 1 || (!is_free(shape[1]) && shape[1] % groups != 0))
    throw Error(ErrorKind::kInvalid, text("attribute num_groups is ", groups, ", input is ", to_string(shape),
                                          ", wanted a divisor of the extent of axis 1"));
  check_parameter_shapes(in, Shape{shape[1]});
  return {shape};
}

GroupPlan plan_of(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const int64_t groups = attr_int(call.attrs, "num_groups"), pixels = product(shape, 2, shape.rank);
  return {.groups = shape[0] * groups,
          .n = shape[1] / groups * pixels,
          .parameters = shape[1],
          .per_parameter = pixels,
          .epsilon = attr_float(call.attrs, "epsilon")};
}

Run compile_f32(const CompileCall& call) { return compile_normalize_f32(call, plan_of(call)); }
Run compile_quant(const CompileCall& call) { return compile_normalize_u8(call, plan_of(call)); }

// Until opset 20 there is one weight and bias for each group, then for each channel.
void spread_over_channels(OnnxNode& node, size_t input, int64_t groups) {
  const Tensor& given = onnx_constant(node, input, input == 1 ? "scale" : "bias");
  const Shape& shape = node.inputs.at(0).type.shape;
  if (given.type.shape != Shape{groups} || shape.rank < 2 || is_free(shape[1]) || shape[1] % groups != 0)
    throw Error(ErrorKind::kInvalid,
                text(input == 1 ? "scale is " : "bias is ", to_string(given.type.shape), ", input is ",
                     to_string(shape), ", wanted one for each of the ", groups, " groups"));
  Tensor spread = make_tensor(DType::kF32, Shape{shape[1]});
  for (int64_t c = 0; c < shape[1]; ++c) spread.as<float>()[c] = given.as<float>()[c / (shape[1] / groups)];
  node.inputs[input].constant = spread;
}

bool map_by_channel(OnnxNode& node) {
  take_stash_type(node);
  return true;
}

bool map_by_group(OnnxNode& node) {
  const int64_t groups = attr_int(node.attrs, "num_groups");
  if (groups < 1)
    throw Error(ErrorKind::kInvalid, text("attribute num_groups is ", groups, ", wanted 1 or more"));
  if (node.inputs.size() == 3)  // else it is refused for that
    for (const size_t input : {1, 2}) spread_over_channels(node, input, groups);
  return map_by_channel(node);
}

constexpr OnnxName kOnnx[] = {{"GroupNormalization", 18, map_by_group},
                              {"GroupNormalization", 21, map_by_channel}};

constexpr AttrSpec kAttrs[] = {
    {"num_groups", "into how many groups the channels are divided", AttrKind::kInt},
    {"epsilon", "added to the variance", AttrKind::kFloat, "1e-5"},
};

constexpr Shape kImage[] = {{2, 6, 5, 7}, {6}, {6}};
constexpr Shape kPlain[] = {{3, 8, 11}};
constexpr Shape kRow[] = {{3, 64}, {64}};
constexpr Case kCases[] = {
    {.attrs = "num_groups=2", .inputs = kImage, .constants_from = 1},
    {.attrs = "num_groups=4;epsilon=0.01", .inputs = kPlain, .lo = 2, .hi = 3},
    {.attrs = "num_groups=4", .inputs = kRow, .lo = -4, .hi = 4, .constants_from = 1},
    {.attrs = "num_groups=6", .inputs = kImage, .constants_from = 1},
};

}  // namespace

extern const OpDef op_group_norm;
constinit const OpDef op_group_norm = {
    .name = "group_norm",
    .doc =
        "(x - mean) / sqrt(var + epsilon) * weight + bias over groups of channels (axis 1) of each sample; "
        "inputs x, weight and bias per channel, or less",
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
