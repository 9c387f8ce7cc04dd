// lt: 1 where a < b, else 0.
#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "ops/shared/truth.h"
#include "q/op.h"

namespace q {

namespace {

float less(float a, float b) { return a < b ? 1.f : 0.f; }

constexpr OnnxName kOnnx[] = {{"Less"}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{2, 3, 5, 7}, {3, 1, 1}};
constexpr Shape kRow[] = {{1, 300}, {3, 300}};  // longer than a block
constexpr Shape kBothSpread[] = {{4, 1, 9}, {1, 5, 1}};
constexpr Shape kScalar[] = {{7, 11}, {}};
constexpr Case kCases[] = {
    {.inputs = kSame},       {.inputs = kPerChannel, .constants_from = 1}, {.inputs = kRow},
    {.inputs = kBothSpread}, {.inputs = kScalar, .constants_from = 1},
};

}  // namespace

extern const OpDef op_lt;
constinit const OpDef op_lt = {
    .name = "lt",
    .doc = "1 where a < b, else 0, broadcast as numpy does",
    .inputs_min = 2,
    .inputs_max = 2,
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = kTruthEnd,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_function_of_two<less>,
    .quant = compile_integers_of_two<less>,
    .cases = kCases,
};

}  // namespace q
