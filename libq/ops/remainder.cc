// remainder: a - b * floor(a / b).
#include <cmath>

#include "ops/shared/binary.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

float modulo(float a, float b) {
  const float rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

bool map_mod(OnnxNode& node) { return (take_attr<int64_t>(node.attrs, "fmod", 0) != 0) == false; }

constexpr OnnxName kOnnx[] = {{"Mod", 10, map_mod}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{2, 3, 5, 7}, {3, 1, 1}};
constexpr Shape kRow[] = {{1, 300}, {3, 300}};  // longer than a block
constexpr Shape kBothSpread[] = {{4, 1, 9}, {1, 5, 1}};
constexpr Shape kScalar[] = {{7, 11}, {}};
constexpr Case kCases[] = {
    {.inputs = kSame, .lo = 0.5f, .hi = 4},
    {.inputs = kPerChannel, .lo = 0.5f, .hi = 4, .constants_from = 1},
    {.inputs = kRow, .lo = 0.5f, .hi = 4},
    {.inputs = kBothSpread, .lo = 0.5f, .hi = 4},
    {.inputs = kScalar, .lo = 0.5f, .hi = 4, .constants_from = 1},
};

}  // namespace

extern const OpDef op_remainder;
constinit const OpDef op_remainder = {
    .name = "remainder",
    .doc = "a - b * floor(a / b): what is left of a, with the sign of b, broadcast as numpy does",
    .inputs_min = 2,
    .inputs_max = 2,
    .onnx = kOnnx,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_function_of_two<modulo>,
    .quant = compile_integers_of_two<modulo>,
    .cases = kCases,
};

}  // namespace q
