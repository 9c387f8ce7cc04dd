// shrink: x - bias for x > lambd, x + bias for x < -lambd, else 0.
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

// a NaN stays one
auto shrink_of(const Attrs& attrs) {
  return [bias = static_cast<float>(attr_float(attrs, "bias")),
          lambd = static_cast<float>(attr_float(attrs, "lambd"))](float x) {
    const float inner = x != x ? x : 0.f;
    return x > lambd ? x - bias : x < -lambd ? x + bias : inner;
  };
}

constexpr OnnxName kOnnx[] = {{"Shrink", 9}};

constexpr AttrSpec kAttrs[] = {
    {"lambd", "the greatest |x| that becomes 0", AttrKind::kFloat, "0.5"},
    {"bias", "what is taken from the others", AttrKind::kFloat, "0"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "lambd=0.25;bias=0.25", .inputs = kOdd, .lo = -1, .hi = 1},
};

}  // namespace

extern const OpDef op_shrink;
constinit const OpDef op_shrink = {
    .name = "shrink",
    .doc =
        "x nearer to 0 by bias, 0 from -lambd to lambd, elementwise: torch's hardshrink, with bias=lambd its "
        "softshrink",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<shrink_of>,
    .unary = call_function<shrink_of>,
    .cases = kCases,
};

}  // namespace q
