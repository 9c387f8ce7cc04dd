// sub: clamp(a - b, min, max).
#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

float difference(float a, float b) { return a - b; }

Run compile_f32(const CompileCall& call) { return compile_binary_f32(call, clamped_binary_f32<difference>); }

// Q(D(a) - D(b)) is Q(D(a) + -D(b)), and the scale takes the sign of the latter without a rounding.
Run compile_quant(const CompileCall& call) {
  const AffineU8 a = affine_of(call.in[0], "a");
  AffineU8 negated = affine_of(call.in[1], "b");
  negated.scale = -negated.scale;
  const ToU8 to = to_u8_of(call.out[0], static_cast<float>(attr_float(call.attrs, "min")),
                           static_cast<float>(attr_float(call.attrs, "max")));
  return compile_broadcast<uint8_t>(
      call, [=, kernel = call.kernels.add_u8](const uint8_t* x, const uint8_t* y, size_t n, uint8_t* out) {
        kernel(x, y, n, a, negated, to, out);
      });
}

// add takes what subtracts a constant before
constexpr OnnxName kOnnx[] = {{"Sub"}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kPerChannel[] = {{3, 1, 1}, {2, 3, 5, 7}};
constexpr Shape kRow[] = {{3, 300}, {1, 300}};  // longer than a block
constexpr Shape kBothSpread[] = {{4, 1, 9}, {1, 5, 1}};
constexpr Shape kComplement[] = {{}, {7, 11}};  // as in 1 - x
constexpr Case kCases[] = {
    {.inputs = kSame},
    {.attrs = "min=0", .inputs = kSame},
    {.attrs = "min=0;max=0.5", .inputs = kPerChannel},
    {.inputs = kRow},
    {.inputs = kBothSpread},
    {.inputs = kComplement, .lo = 0},
};

}  // namespace

extern const OpDef op_sub;
constinit const OpDef op_sub = {
    .name = "sub",
    .doc = "a - b, broadcast as numpy does, clamped to [min, max]",
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
