// glu: a * sigmoid(b), a and b being the halves of x along an axis.
#include <algorithm>
#include <array>
#include <memory>

#include "base/math.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/lines.h"
#include "ops/shared/u8.h"
#include "q/op.h"
#include "q/quant.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const int axis = line_axis(attrs, out);
  if (out[axis] % 2 != 0)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(out), ", wanted an even extent along axis ", axis));
  out[axis] /= 2;
  return {out};
}

// kernel(a, b, n, out) on elements that lie side by side.
template <typename T, typename Kernel>
Run compile(const CompileCall& call, const Kernel& kernel) {
  const Lines lines = lines_of(call);
  return [outer = lines.outer, half = lines.extent / 2 * lines.step, kernel](const RunCall& run) {
    constexpr int64_t kPiece = 1 << 10;
    const int64_t pieces = (half + kPiece - 1) / kPiece;
    parallel_blocks(outer * pieces, 1, [&](int64_t first, int64_t end) {
      for (int64_t piece = first; piece < end; ++piece) {
        const int64_t row = piece / pieces, at = piece % pieces * kPiece;
        const T* a = run.in[0].as<T>() + 2 * row * half + at;
        kernel(a, a + half, std::min(kPiece, half - at), run.out[0].as<T>() + row * half + at);
      }
    });
  };
}

Run compile_f32(const CompileCall& call) {
  return compile<float>(call, [](const float* a, const float* b, int64_t n, float* out) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(a[i] * sigmoid(static_cast<double>(b[i])));
  });
}

// Q of the same on the reals of the input.
Run compile_quant(const CompileCall& call) {
  struct Reals {
    std::array<float, 256> a;
    std::array<double, 256> gate;
  };
  const AffineU8 from = affine_of(call.in[0], "input");
  auto reals = std::make_shared<Reals>();
  for (size_t q = 0; q < 256; ++q) {
    reals->a[q] = dequantize_value(static_cast<int32_t>(q), from.scale, from.zero_point);
    reals->gate[q] = sigmoid(static_cast<double>(reals->a[q]));
  }
  return compile<uint8_t>(call, [reals, quantize = call.kernels.quantize_u8, to = to_u8_of(call.out[0])](
                                    const uint8_t* a, const uint8_t* b, int64_t n, uint8_t* out) {
    constexpr int64_t kBlock = 256;
    float y[kBlock];
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t count = std::min(kBlock, n - begin);
      for (int64_t i = 0; i < count; ++i)
        y[i] = static_cast<float>(reals->a[a[begin + i]] * reals->gate[b[begin + i]]);
      quantize(y, static_cast<size_t>(count), to, out + begin);
    }
  });
}

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis whose halves they are", AttrKind::kInt, "-1", true},
};

constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kImage[] = {{2, 6, 5, 7}};
constexpr Shape kLong[] = {{2, 4200}};
constexpr Case kCases[] = {
    {.inputs = kRows, .lo = -4, .hi = 4},
    {.attrs = "axis=1", .inputs = kImage, .lo = -8, .hi = 8},
    {.inputs = kLong, .lo = -4, .hi = 4},
};

}  // namespace

extern const OpDef op_glu;
constinit const OpDef op_glu = {
    .name = "glu",
    .doc = "a * sigmoid(b), a and b being the halves of x along an axis",
    .attrs = kAttrs,
    .infer = infer,
    .samples = samples_beside_axis,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
