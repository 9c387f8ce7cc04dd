// div: clamp(a / b, min, max).
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "ops/shared/binary.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

float quotient(float a, float b) { return a / b; }

Run compile_f32(const CompileCall& call) { return compile_binary_f32(call, clamped_binary_f32<quotient>); }

// What a constant divisor is as an integer; one that has become zero would divide by it.
void check_divisor(const CompileCall& call, const AffineU8& b) {
  if (call.constants.size() < 2 || call.constants[1].data == nullptr) return;
  const View& divisor = call.constants[1];
  const uint8_t* end = divisor.as<uint8_t>() + elements(divisor.shape);
  if (std::find(divisor.as<uint8_t>(), end, b.zero_point) != end)
    throw Error(ErrorKind::kUnsupported,
                text("a divisor is 0 as an integer of scale ", number(b.scale),
                     ", wanted constants nearer to each other, or a recipe that keeps the node float"));
}

// 0 / 0 is the zero point, x / 0 the limit on its side.
Run compile_quant(const CompileCall& call) {
  const ToU8 to = to_u8_of(call.out[0], static_cast<float>(attr_float(call.attrs, "min")),
                           static_cast<float>(attr_float(call.attrs, "max")));
  check_divisor(call, affine_of(call.in[1], "b"));
  return compile_pairs_quant(call, to, quotient);
}

bool map_div(OnnxNode& node) {
  if (!node.inputs.at(1).constant) return true;
  if (exact_inverses(node)) return false;  // mul takes those
  const Tensor& divisor = onnx_constant(node, 1, "the divisor");
  const float* end = divisor.as<float>() + elements(divisor.type.shape);
  if (std::find(divisor.as<float>(), end, 0.f) != end)
    throw Error(ErrorKind::kUnsupported, "the divisor holds 0, wanted none");
  return true;
}

// An integer divisor is off by half of 1/255 of the greatest: of one that is 16 times smaller by 3 %.
std::string unfit(size_t input, const Tensor& divisor) {
  constexpr float kWidest = 16;
  if (input != 1) return "";
  float least = std::numeric_limits<float>::infinity(), greatest = 0;
  for (int64_t i = 0; i < elements(divisor.type.shape); ++i) {
    least = std::min(least, std::abs(divisor.as<float>()[i]));
    greatest = std::max(greatest, std::abs(divisor.as<float>()[i]));
  }
  if (greatest <= kWidest * least) return "";
  return text("divides by ", number(least), " and by ", number(greatest), ", too far apart for one scale");
}

constexpr OnnxName kOnnx[] = {{"Div", 7, map_div}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{2, 3, 5, 7}, {3, 1, 1}};
constexpr Shape kRow[] = {{3, 300}, {1, 300}};  // longer than a block
constexpr Shape kScalar[] = {{7, 11}, {}};
constexpr Shape kInverse[] = {{1}, {7, 11}};
constexpr Case kCases[] = {
    {.inputs = kSame, .lo = 0.5f, .hi = 2},
    {.attrs = "min=0.75;max=1.5", .inputs = kPerChannel, .lo = 0.5f, .hi = 2, .constants_from = 1},
    {.inputs = kRow, .lo = 1, .hi = 3},
    {.inputs = kScalar, .lo = -3, .hi = -1, .constants_from = 1},
    {.inputs = kInverse, .lo = 0.5f, .hi = 2},
};

}  // namespace

extern const OpDef op_div;
constinit const OpDef op_div = {
    .name = "div",
    .doc = "a / b, broadcast as numpy does, clamped to [min, max]",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kBinaryAttrs,
    .onnx = kOnnx,
    .unfit = unfit,
    .infer = infer_binary,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
