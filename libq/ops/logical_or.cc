// logical_or: 1 where a or b is not 0, else 0.
#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "ops/shared/truth.h"
#include "q/op.h"

namespace q {

namespace {

float either(float a, float b) { return a != 0 || b != 0 ? 1.f : 0.f; }

constexpr OnnxName kOnnx[] = {{"Or"}};

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

extern const OpDef op_logical_or;
constinit const OpDef op_logical_or = {
    .name = "logical_or",
    .doc = "1 where a or b is not 0, else 0, broadcast as numpy does",
    .inputs_min = 2,
    .inputs_max = 2,
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = kTruthEnd,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_function_of_two<either>,
    .quant = compile_integers_of_two<either>,
    .cases = kCases,
};

}  // namespace q
