// round: the whole number nearest to x, ties to even.
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float nearest(float x) { return std::rint(x); }

constexpr OnnxName kOnnx[] = {{"Round", 11}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_round;
constinit const OpDef op_round = {
    .name = "round",
    .doc = "the whole number nearest to x, ties to even, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<nearest>,
    .unary = call_function<nearest>,
    .cases = kCases,
};

}  // namespace q
