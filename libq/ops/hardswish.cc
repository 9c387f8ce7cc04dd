// hardswish: x * clamp(x + 3, 0, 6) / 6.
#include <algorithm>

#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float hardswish(const Attrs&, float x) noexcept { return x * std::clamp(x + 3.f, 0.f, 6.f) / 6.f; }

constexpr OnnxName kOnnx[] = {{"HardSwish", 14}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow, .lo = -4, .hi = 4},  // both flat parts and the bend
    {.inputs = kOdd, .lo = -0.5f, .hi = 6},
};

}  // namespace

extern const OpDef op_hardswish;
constinit const OpDef op_hardswish = {
    .name = "hardswish",
    .doc = "x * clamp(x + 3, 0, 6) / 6, elementwise",
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .unary = hardswish,
    .cases = kCases,
};

}  // namespace q
