// atanh: log((1 + x) / (1 - x)) / 2.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Atanh", 9}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -0.75f, .hi = 0.75f},
    {.inputs = kOdd, .lo = -0.5f, .hi = 0.75f},
};

}  // namespace

extern const OpDef op_atanh;
constinit const OpDef op_atanh = {
    .name = "atanh",
    .doc = "log((1 + x) / (1 - x)) / 2, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::atanh>>,
    .unary = call_function<narrowed<q::atanh>>,
    .cases = kCases,
};

}  // namespace q
