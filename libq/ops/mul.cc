// mul: clamp(a * b, min, max).
#include <cmath>
#include <optional>
#include <utility>

#include "base/text.h"
#include "ops/shared/binary.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) { return compile_binary_f32(call, call.kernels.mul_f32); }

// clamp(zo + rint(f32((qa - za) * (qb - zb)) * m)) with m = f32: (sa * sb) * (1 / so), as torch's
// quantized::mul.
Run compile_quant(const CompileCall& call) {
  const AffineU8 a = affine_of(call.in[0], "a"), b = affine_of(call.in[1], "b");
  ToU8 to = to_u8_of(call.out[0], static_cast<float>(attr_float(call.attrs, "min")),
                     static_cast<float>(attr_float(call.attrs, "max")));
  to.inverse_scale = (a.scale * b.scale) * to.inverse_scale;
  if (!std::isfinite(to.inverse_scale))
    throw Error(ErrorKind::kInvalid,
                text("scales are ", number(a.scale), " * ", number(b.scale), " / ",
                     number(call.out[0].qparams->scales[0]), ", wanted a finite quotient"));
  return compile_broadcast<uint8_t>(
      call, [=, kernel = call.kernels.mul_u8](const uint8_t* x, const uint8_t* y, size_t n, uint8_t* out) {
        kernel(x, y, n, a.zero_point, b.zero_point, to, out);
      });
}

// x / c is x * (1 / c), to the bit, where c is a power of two; div takes the others.
bool map_div(OnnxNode& node) {
  std::optional<Tensor> inverses = exact_inverses(node);
  if (!inverses) return false;
  node.inputs[1].constant = std::move(inverses);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Mul"}, {"Div", 7, map_div}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kExcitation[] = {{2, 5, 3, 4}, {2, 5, 1, 1}};          // as in a squeeze-and-excitation block
constexpr Shape kExcitationStored[] = {{2, 1, 1, 33}, {2, 3, 4, 33}};  // the same, channels-last
constexpr Shape kSpatial[] = {{2, 3, 4, 1}, {2, 3, 4, 270}};  // channels-last, one mask for all channels
constexpr Shape kScalar[] = {{7, 11}, {1}};
constexpr Case kCases[] = {
    {.inputs = kSame},
    {.inputs = kExcitation},
    {.inputs = kExcitationStored, .lo = 0, .hi = 2},
    {.attrs = "min=-0.25;max=0.5", .inputs = kSpatial},
    {.inputs = kScalar, .constants_from = 1},
};

}  // namespace

extern const OpDef op_mul;
constinit const OpDef op_mul = {
    .name = "mul",
    .doc = "a * b, broadcast as numpy does, clamped to [min, max]",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kBinaryAttrs,
    .onnx = kOnnx,
    .infer = infer_binary,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
