// maximum: the greatest of a, b, and any more.
#include <algorithm>
#include <cstdint>

#include "ops/shared/extremum.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

float better(float a, float b) { return a > b || a != a ? a : b; }
uint8_t better_level(uint8_t a, uint8_t b) { return std::max(a, b); }

constexpr OnnxName kOnnx[] = {{"Max"}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{2, 3, 5, 7}, {3, 1, 1}};
constexpr Shape kRow[] = {{1, 300}, {3, 300}};  // longer than a block
constexpr Shape kBothSpread[] = {{4, 1, 9}, {1, 5, 1}};
constexpr Shape kScalar[] = {{7, 11}, {}};
constexpr Shape kThree[] = {{2, 3, 1, 4}, {3, 2, 1}, {1, 1, 1, 4}};
constexpr Shape kOne[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kSame},       {.inputs = kPerChannel, .constants_from = 1}, {.inputs = kRow},
    {.inputs = kBothSpread}, {.inputs = kScalar, .constants_from = 1},     {.inputs = kThree},
    {.inputs = kOne},
};

}  // namespace

extern const OpDef op_maximum;
constinit const OpDef op_maximum = {
    .name = "maximum",
    .doc = "the greatest of the inputs, broadcast as numpy does; a NaN wins",
    .inputs_min = 1,
    .inputs_max = kMaxInputs,
    .onnx = kOnnx,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_extremum_f32<better>,
    .quant = compile_extremum_u8<better_level>,
    .cases = kCases,
};

}  // namespace q
