// acos: the angle whose cosine is x.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Acos"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -0.75f, .hi = 0.75f},
    {.inputs = kOdd, .lo = -0.5f, .hi = 0.75f},
};

}  // namespace

extern const OpDef op_acos;
constinit const OpDef op_acos = {
    .name = "acos",
    .doc = "the angle in radians whose cosine is x, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::acos>>,
    .unary = call_function<narrowed<q::acos>>,
    .cases = kCases,
};

}  // namespace q
