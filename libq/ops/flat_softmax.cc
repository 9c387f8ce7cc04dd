// flat_softmax: exp(x) / sum of exp(x) over an axis and all axes behind it.
#include "base/text.h"
#include "ops/shared/lines.h"
#include "ops/shared/samples.h"
#include "ops/shared/softmax.h"
#include "q/op.h"

namespace q {

namespace {

void samples(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  const Shape& shape = in[0].shape;
  const int axis = line_axis(attrs, shape);
  if (axis <= free_axis(shape)) throw mixes_samples(text("softmax over axes ", axis, " to ", shape.rank - 1));
}

Run compile_f32(const CompileCall& call) { return compile_softmax_f32(call, softmax_over_axes(call)); }
Run compile_quant(const CompileCall& call) { return compile_softmax_u8(call, softmax_over_axes(call)); }

constexpr OnnxName kOnnx[] = {{"Softmax", 7, map_onnx_flat_softmax}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the first of the axes over which the result sums to 1", AttrKind::kInt, "1"},
};

constexpr Shape kImage[] = {{2, 5, 3, 4}};
constexpr Shape kMatrix[] = {{3, 100}};
constexpr Shape kRows[] = {{2, 3, 7}};
constexpr Case kCases[] = {
    {.inputs = kImage, .lo = -2, .hi = 2},
    {.attrs = "axis=-2", .inputs = kImage, .lo = -4, .hi = 4},
    {.attrs = "axis=0", .inputs = kMatrix, .lo = -8, .hi = 8},
    {.attrs = "axis=2", .inputs = kRows, .lo = -2, .hi = 2},
};

}  // namespace

extern const OpDef op_flat_softmax;
constinit const OpDef op_flat_softmax = {
    .name = "flat_softmax",
    .doc = "exp(x) / sum of exp(x) over an axis and all axes behind it",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = 1,
    .infer = infer_along_axis,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
