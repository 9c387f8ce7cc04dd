// floor: the greatest whole number up to x.
#include <cmath>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float whole_below(float x) { return std::floor(x); }

constexpr OnnxName kOnnx[] = {{"Floor"}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},
    {.inputs = kOdd, .lo = -0.5f, .hi = 1.5f},
};

}  // namespace

extern const OpDef op_floor;
constinit const OpDef op_floor = {
    .name = "floor",
    .doc = "the greatest whole number up to x, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<whole_below>,
    .unary = call_function<whole_below>,
    .cases = kCases,
};

}  // namespace q
