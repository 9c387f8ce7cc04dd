// log_softmax: x - log(sum of exp(x)) along an axis.
#include <vector>

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "ops/shared/softmax.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  normalize_axis(attr_int(attrs, "axis"), shape.rank, "attribute axis");
  return {shape};
}

void samples(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  const int axis = normalize_axis(attr_int(attrs, "axis"), in[0].shape.rank, "attribute axis");
  if (axis == free_axis(in[0].shape)) throw mixes_samples(text("log_softmax over axis ", axis));
}

SoftmaxRows rows_of(const CompileCall& call) {
  const Shape& shape = call.out[0].shape;
  const int axis = normalize_axis(attr_int(call.attrs, "axis"), shape.rank, "attribute axis");
  const int64_t step = product(shape, axis + 1, shape.rank);
  return {product(shape, 0, axis) * step, shape[axis], step};
}

Run compile_f32(const CompileCall& call) { return compile_log_softmax_f32(call, rows_of(call)); }
Run compile_quant(const CompileCall& call) { return compile_log_softmax_u8(call, rows_of(call)); }

bool map_onnx(OnnxNode& node) {
  if (node.opset >= 13) return node.attrs.emplace("axis", int64_t{-1}), true;
  // one distribution over this axis and all behind it, until opset 12: flat_log_softmax where those are more
  const Shape& shape = node.inputs.at(0).type.shape;
  node.attrs.emplace("axis", int64_t{1});
  const int axis = normalize_axis(attr_int(node.attrs, "axis"), shape.rank, "axis");
  return product(shape, axis + 1, shape.rank) == 1;
}

constexpr OnnxName kOnnx[] = {{"LogSoftmax", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the exponentials of the result sum to 1", AttrKind::kInt, "-1", true},
};

constexpr Shape kClasses[] = {{3, 1000}};
constexpr Shape kImage[] = {{2, 5, 3, 4}};
constexpr Shape kOne[] = {{4, 1}};
constexpr Case kCases[] = {
    {.inputs = kClasses, .lo = -8, .hi = 8},
    {.attrs = "axis=1", .inputs = kImage, .lo = -2, .hi = 2},
    {.inputs = kOne},
};

}  // namespace

extern const OpDef op_log_softmax;
constinit const OpDef op_log_softmax = {
    .name = "log_softmax",
    .doc = "x - log(sum of exp(x)) along an axis",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = -15.9375f,  // 1/16 a step, and 0 the greatest level
    .fixed_hi = 0.0625f,
    .infer = infer,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
