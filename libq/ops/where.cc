// where: a where the condition is not 0, else b.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/text.h"
#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

Run compile_f32(const CompileCall& call) {
  check_f32(call);
  return compile_broadcast_of<float, 3>(call, [](const std::array<const float*, 3>& x, size_t n, float* out) {
    fill_with(static_cast<int64_t>(n), out, [condition = x[0], a = x[1], b = x[2]](int64_t i) {
      const float chosen = a[i],
                  other = b[i];  // both are read, so that the compiler may choose without a branch
      return condition[i] != 0 ? chosen : other;
    });
  });
}

// Q(D(a)) or Q(D(b)); the condition is 0 at its zero point.
Run compile_quant(const CompileCall& call) {
  const auto unchanged = [](float x) { return x; };
  const auto kernel = [zero = affine_of(call.in[0], "condition").zero_point, lookup = call.kernels.lut_u8,
                       a = table_of(call.in[1], call.out[0], unchanged),
                       b = table_of(call.in[2], call.out[0], unchanged)](
                          const std::array<const uint8_t*, 3>& x, size_t n, uint8_t* out) {
    uint8_t chosen[kBroadcastBlock], other[kBroadcastBlock];
    for (size_t first = 0; first < n; first += kBroadcastBlock) {
      const size_t count = std::min<size_t>(kBroadcastBlock, n - first);
      lookup(x[1] + first, count, a.data(), chosen);
      lookup(x[2] + first, count, b.data(), other);
      const uint8_t* condition = x[0] + first;
      fill_with(static_cast<int64_t>(count), out + first,
                [&](int64_t i) { return condition[i] != zero ? chosen[i] : other[i]; });
    }
  };
  return compile_broadcast_of<uint8_t, 3>(call, kernel);
}

// What stands for minus infinity beside scores, say, leaves one step to all of them.
std::string unfit(size_t input, const Tensor& constant) {
  constexpr float kGreatest = 65536;
  if (input == 0) return "";
  for (int64_t i = 0; i < elements(constant.type.shape); ++i)
    if (const float value = constant.as<float>()[i]; !(std::abs(value) <= kGreatest))
      return text("holds ", number(value), ", too far from others for one scale");
  return "";
}

constexpr OnnxName kOnnx[] = {{"Where", 9}};

constexpr Shape kSame[] = {{2, 3, 5, 7}, {2, 3, 5, 7}, {2, 3, 5, 7}};
constexpr Shape kMask[] = {{2, 1, 5, 1}, {2, 3, 5, 7}, {}};
constexpr Shape kRow[] = {{3, 300}, {1, 300}, {3, 1}};  // longer than a block
constexpr Shape kAllSpread[] = {{4, 1, 1}, {1, 5, 1}, {1, 1, 9}};
constexpr Case kCases[] = {
    {.inputs = kSame},
    {.inputs = kMask, .constants_from = 2},
    {.inputs = kRow},
    {.inputs = kAllSpread},
};

}  // namespace

extern const OpDef op_where;
constinit const OpDef op_where = {
    .name = "where",
    .doc = "a where the condition is not 0, else b; broadcast as numpy does; inputs condition, a, b",
    .inputs_min = 3,
    .inputs_max = 3,
    .onnx = kOnnx,
    .unfit = unfit,
    .infer = infer_broadcast,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
