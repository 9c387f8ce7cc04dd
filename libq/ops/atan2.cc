// atan2: the angle of the point (b, a).
#include "base/math.h"
#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

float angle(float a, float b) { return static_cast<float>(q::atan2(double{a}, double{b})); }

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

extern const OpDef op_atan2;
constinit const OpDef op_atan2 = {
    .name = "atan2",
    .doc = "the angle in radians of the point (b, a), broadcast as numpy does",
    .inputs_min = 2,
    .inputs_max = 2,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_function_of_two<angle>,
    .quant = compile_integers_of_two<angle>,
    .cases = kCases,
};

}  // namespace q
