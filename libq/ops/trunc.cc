// trunc: x without its fraction.
#include <cmath>

#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float whole(float x) { return std::trunc(x); }

bool map_cast(OnnxNode& node) { return take_cast_target(node) == CastTarget::kIntegers; }

constexpr OnnxName kOnnx[] = {{"Cast", 7, map_cast}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_trunc;
constinit const OpDef op_trunc = {
    .name = "trunc",
    .doc = "x without its fraction, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<whole>,
    .unary = call_function<whole>,
    .cases = kCases,
};

}  // namespace q
