// to_bool: 0 where x is 0, else 1.
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/truth.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

float truth(float x) { return x == 0 ? 0.f : 1.f; }

bool map_cast(OnnxNode& node) { return take_cast_target(node) == CastTarget::kTruth; }

constexpr OnnxName kOnnx[] = {{"Cast", 7, map_cast}};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow},
    {.inputs = kOdd, .lo = 0, .hi = 1},
};

}  // namespace

extern const OpDef op_to_bool;
constinit const OpDef op_to_bool = {
    .name = "to_bool",
    .doc = "0 where x is 0, else 1, elementwise",
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = kTruthEnd,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<truth>,
    .unary = call_function<truth>,
    .cases = kCases,
};

}  // namespace q
