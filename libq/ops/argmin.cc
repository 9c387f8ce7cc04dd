// argmin: the position of the least x along an axis.
#include "ops/shared/arg_extreme.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"ArgMin"}};

constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Case kCases[] = {
    {.attrs = "axis=-1;keepdims=0", .inputs = kRows},
    {.attrs = "axis=1", .inputs = kImage},
    {.attrs = "axis=-1;select_last_index=1", .inputs = kImage},
    {.inputs = kRows},
};

}  // namespace

extern const OpDef op_argmin;
constinit const OpDef op_argmin = {
    .name = "argmin",
    .doc = "position of the least element of x along an axis, as a real number",
    .attrs = kArgExtremeAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .reals_from = 0,
    .infer = infer_arg_extreme,
    .samples = samples_beside_axis,
    .f32 = compile_arg_extreme<float, -1>,
    .quant = compile_arg_extreme<uint8_t, -1>,
    .cases = kCases,
};

}  // namespace q
