// local_response_norm: x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta.
#include <algorithm>
#include <cmath>

#include "base/math.h"
#include "base/text.h"
#include "ops/shared/lines.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const int64_t size = attr_int(attrs, "size");
  if (size < 1) throw Error(ErrorKind::kInvalid, text("attribute size is ", size, ", wanted 1 or more"));
  if (in[0].shape.rank < 2)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(in[0].shape), ", wanted rank 2 or more"));
  return {in[0].shape};
}

void samples(const Attrs&, std::span<const TensorType> in, std::span<const Shape>) {
  if (free_axis(in[0].shape) == 1) throw mixes_samples("neighbours along axis 1");
}

struct Response {
  int64_t before, after;  // channels on either side
  double factor, beta, bias;

  // 3/4 is what nearly all networks have, and needs no logarithm.
  double power(double base) const {
    if (beta == 0.75) return std::sqrt(base) * std::sqrt(std::sqrt(base));
    return exp(beta * log(base));
  }
};

// The window reaches size / 2 channels back and (size - 1) / 2 forward, as PyTorch's.
Response response_of(const Attrs& attrs) {
  const int64_t size = attr_int(attrs, "size");
  return {size / 2, (size - 1) / 2, attr_float(attrs, "alpha") / static_cast<double>(size),
          attr_float(attrs, "beta"), attr_float(attrs, "bias")};
}

// Sums in binary64 in order of the channels; each quotient is narrowed once.
Run compile_f32(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const Lines lines{shape[0], shape[1], product(shape, 2, shape.rank)};
  return [lines, response = response_of(call.attrs)](const RunCall& run) {
    for_line_groups(lines, [&](int64_t outer, int64_t first, int64_t n) {
      const int64_t start = outer * lines.extent * lines.step + first;
      const float* x = run.in[0].as<float>() + start;
      float* out = run.out[0].as<float>() + start;
      for (int64_t c = 0; c < lines.extent; ++c) {
        double sums[kMostLines] = {};
        const int64_t end = c + std::min(response.after, lines.extent - 1 - c);
        for (int64_t i = std::max<int64_t>(0, c - response.before); i <= end; ++i) {
          for (int64_t line = 0; line < n; ++line) {
            const double value = x[i * lines.step + line];
            sums[line] += value * value;
          }
        }
        for (int64_t line = 0; line < n; ++line) {
          const double base = response.bias + response.factor * sums[line];
          out[c * lines.step + line] = static_cast<float>(x[c * lines.step + line] / response.power(base));
        }
      }
    });
  };
}

// ONNX's window of an even size lies the other way round.
bool map_onnx(OnnxNode& node) {
  const int64_t size = attr_int(node.attrs, "size");
  if (size % 2 == 0) throw Error(ErrorKind::kUnsupported, text("size is ", size, ", wanted an odd number"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"LRN", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"size", "channels that take part", AttrKind::kInt},
    {"alpha", "factor of the mean of the squares", AttrKind::kFloat, "1e-4"},
    {"beta", "exponent of what is divided by", AttrKind::kFloat, "0.75"},
    {"bias", "added to the mean of the squares", AttrKind::kFloat, "1"},
};

constexpr Shape kImage[] = {{2, 7, 5, 17}};
constexpr Shape kSignal[] = {{2, 5, 3}};
constexpr Shape kRow[] = {{3, 9}};
constexpr Case kCases[] = {
    {.attrs = "size=5;alpha=0.5", .inputs = kImage, .lo = -3, .hi = 3},
    {.attrs = "size=4;alpha=2;beta=0.5;bias=2", .inputs = kSignal},
    {.attrs = "size=19;alpha=1", .inputs = kRow},
};

}  // namespace

// No integer form: networks that have it are older than quantization.
extern const OpDef op_local_response_norm;
constinit const OpDef op_local_response_norm = {
    .name = "local_response_norm",
    .doc = "x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta, x [N, C, ...]",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .infer = infer,
    .samples = samples,
    .f32 = compile_f32,
    .cases = kCases,
};

}  // namespace q
