// normalize: x / max(norm, epsilon), norm being (sum of |x|^p)^(1/p) along an axis.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ops/shared/lines.h"
#include "ops/shared/onnx.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const int64_t p = attr_int(attrs, "p");
  if (p != 1 && p != 2) throw Error(ErrorKind::kInvalid, text("attribute p is ", p, ", wanted 1 or 2"));
  return infer_along_axis(attrs, in);
}

// Sums in binary64 in order of the elements; each quotient is narrowed once.
Run compile_f32(const CompileCall& call) {
  const bool squares = attr_int(call.attrs, "p") == 2;
  const double epsilon = attr_float(call.attrs, "epsilon");
  return [lines = lines_of(call), squares, epsilon](const RunCall& run) {
    for_line_groups(lines, [&](int64_t outer, int64_t first, int64_t n) {
      const int64_t start = outer * lines.extent * lines.step + first;
      const float* x = run.in[0].as<float>() + start;
      float* out = run.out[0].as<float>() + start;
      double norms[kMostLines] = {};
      for (int64_t i = 0; i < lines.extent; ++i) {
        for (int64_t line = 0; line < n; ++line) {
          const double value = x[i * lines.step + line];
          norms[line] += squares ? value * value : std::abs(value);
        }
      }
      for (int64_t line = 0; line < n; ++line) {
        const double norm = squares ? std::sqrt(norms[line]) : norms[line];
        norms[line] = norm < epsilon ? epsilon : norm;  // a NaN stays one
      }
      for (int64_t i = 0; i < lines.extent; ++i)
        for (int64_t line = 0; line < n; ++line)
          out[i * lines.step + line] = static_cast<float>(x[i * lines.step + line] / norms[line]);
    });
  };
}

bool map_onnx(OnnxNode& node) {
  node.attrs.emplace("axis", int64_t{-1});
  return true;
}

constexpr OnnxName kOnnx[] = {{"LpNormalization", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"p", "the exponent: 1 or 2", AttrKind::kInt, "2"},
    {"axis", "the axis along which the norm becomes 1", AttrKind::kInt, "1", true},
    {"epsilon", "the least that is divided by", AttrKind::kFloat, "1e-12"},
};

constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Case kCases[] = {
    {.inputs = kRows},
    {.attrs = "axis=-1;p=1", .inputs = kImage},
    {.attrs = "epsilon=4", .inputs = kImage},
};

}  // namespace

// No integer form: what follows takes differences of directions, for which 8 bits are few.
extern const OpDef op_normalize;
constinit const OpDef op_normalize = {
    .name = "normalize",
    .doc = "x / max((sum of |x|^p)^(1/p), epsilon) along an axis",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer,
    .samples = samples_beside_axis,
    .f32 = compile_f32,
    .cases = kCases,
};

}  // namespace q
