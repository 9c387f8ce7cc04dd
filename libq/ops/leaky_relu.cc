// leaky_relu: x for x > 0, else alpha * x.
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto leaky_relu_of(const Attrs& attrs) {
  return [alpha = static_cast<float>(attr_float(attrs, "alpha"))](float x) { return x > 0 ? x : x * alpha; };
}

constexpr OnnxName kOnnx[] = {{"LeakyRelu"}};

constexpr AttrSpec kAttrs[] = {
    {"alpha", "slope below 0", AttrKind::kFloat, "0.01"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "alpha=0.25", .inputs = kOdd, .lo = -2, .hi = 1},
};

}  // namespace

extern const OpDef op_leaky_relu;
constinit const OpDef op_leaky_relu = {
    .name = "leaky_relu",
    .doc = "x, below 0 alpha * x, elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<leaky_relu_of>,
    .unary = call_function<leaky_relu_of>,
    .cases = kCases,
};

}  // namespace q
