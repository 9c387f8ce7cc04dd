// log_softmax: x - log(sum of exp(x)) along an axis.
#include "base/text.h"
#include "ops/shared/lines.h"
#include "ops/shared/samples.h"
#include "ops/shared/softmax.h"
#include "q/op.h"

namespace q {

namespace {

void samples(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  const int axis = line_axis(attrs, in[0].shape);
  if (axis == free_axis(in[0].shape)) throw mixes_samples(text("log_softmax over axis ", axis));
}

Run compile_f32(const CompileCall& call) { return compile_log_softmax_f32(call, softmax_along_axis(call)); }
Run compile_quant(const CompileCall& call) { return compile_log_softmax_u8(call, softmax_along_axis(call)); }

constexpr OnnxName kOnnx[] = {{"LogSoftmax", 7, map_onnx_softmax}};

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
    .infer = infer_along_axis,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
