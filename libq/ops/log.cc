// log: the natural logarithm of x.
#include "base/math.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

constexpr OnnxName kOnnx[] = {{"Log"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = 0.25f, .hi = 4},
    {.inputs = kOdd, .lo = 0.5f, .hi = 8},
};

}  // namespace

extern const OpDef op_log;
constinit const OpDef op_log = {
    .name = "log",
    .doc = "the natural logarithm of x, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<narrowed<q::log>>,
    .unary = call_function<narrowed<q::log>>,
    .cases = kCases,
};

}  // namespace q
