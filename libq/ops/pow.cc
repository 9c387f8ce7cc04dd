// pow: a to the power of b.
#include "ops/shared/binary.h"
#include "ops/shared/onnx.h"
#include "ops/shared/power.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

bool map_pow(OnnxNode& node) { return !lone_number(node, 1); }  // pow_scalar takes those

constexpr OnnxName kOnnx[] = {{"Pow", 7, map_pow}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{2, 3, 5, 7}, {3, 1, 1}};
constexpr Shape kRow[] = {{1, 300}, {3, 300}};  // longer than a block
constexpr Shape kBothSpread[] = {{4, 1, 9}, {1, 5, 1}};
constexpr Shape kScalar[] = {{7, 11}, {}};
constexpr Case kCases[] = {
    {.inputs = kSame, .lo = 0.25f, .hi = 2},
    {.inputs = kPerChannel, .lo = 0.25f, .hi = 2, .constants_from = 1},
    {.inputs = kRow, .lo = 0.25f, .hi = 2},
    {.inputs = kBothSpread, .lo = 0.25f, .hi = 2},
    {.inputs = kScalar, .lo = 0.25f, .hi = 2, .constants_from = 1},
};

}  // namespace

extern const OpDef op_pow;
constinit const OpDef op_pow = {
    .name = "pow",
    .doc = "a to the power of b, broadcast as numpy does",
    .inputs_min = 2,
    .inputs_max = 2,
    .onnx = kOnnx,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_function_of_two<power>,
    .quant = compile_integers_of_two<power>,
    .cases = kCases,
};

}  // namespace q
