// softmax: exp(x) / sum of exp(x) along an axis.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "base/math.h"
#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  normalize_axis(attr_int(attrs, "axis"), shape.rank, "attribute axis");
  return {shape};
}

void samples(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  const int axis = normalize_axis(attr_int(attrs, "axis"), in[0].shape.rank, "attribute axis");
  if (axis == free_axis(in[0].shape)) throw mixes_samples(text("softmax over axis ", axis));
}

// Rows along the axis: `extent` elements, `step` apart.
struct Rows {
  int64_t count, extent, step;
  int64_t start(int64_t row) const { return row / step * extent * step + row % step; }
};

Rows rows_of(const CompileCall& call) {
  const Shape& shape = call.out[0].shape;
  const int axis = normalize_axis(attr_int(call.attrs, "axis"), shape.rank, "attribute axis");
  const int64_t step = product(shape, axis + 1, shape.rank);
  return {product(shape, 0, axis) * step, shape[axis], step};
}

// In binary64, summed in order of the axis, each quotient narrowed once. A NaN makes the row NaN.
template <typename Get, typename Put>
void softmax_row(int64_t extent, const Get& get, const Put& put) {
  double greatest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < extent; ++i) {
    const double x = get(i);
    if (x > greatest || std::isnan(x)) greatest = x;
  }
  double sum = 0;
  for (int64_t i = 0; i < extent; ++i) sum += q::exp(get(i) - greatest);
  for (int64_t i = 0; i < extent; ++i) put(i, static_cast<float>(q::exp(get(i) - greatest) / sum));
}

template <typename T, typename FromIn, typename ToOut>
Run compile(const CompileCall& call, const FromIn& from_in, const ToOut& to_out) {
  constexpr int64_t kGrain = 1 << 10;  // elements: two exponentials each
  const Rows rows = rows_of(call);
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, rows.extent));
  return [rows, grain, from_in, to_out](const RunCall& run) {
    const T* in = run.in[0].as<T>();
    T* out = run.out[0].as<T>();
    parallel_blocks(rows.count, grain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row) {
        const int64_t start = rows.start(row);
        softmax_row(
            rows.extent, [&](int64_t i) -> double { return from_in(in[start + i * rows.step]); },
            [&](int64_t i, float y) { out[start + i * rows.step] = to_out(y); });
      }
    });
  };
}

Run compile_f32(const CompileCall& call) {
  return compile<float>(
      call, [](float x) { return x; }, [](float y) { return y; });
}

Run compile_quant(const CompileCall& call) {
  const AffineU8 from = affine_of(call.in[0], "input"), to = affine_of(call.out[0], "output");
  const int32_t lo = call.out[0].qparams->quant_min, hi = call.out[0].qparams->quant_max;
  return compile<uint8_t>(
      call, [from](uint8_t q) { return dequantize_value(q, from.scale, from.zero_point); },
      [to, lo, hi](float y) {
        return static_cast<uint8_t>(quantize_value(y, to.scale, to.zero_point, lo, hi));
      });
}

bool map_onnx(OnnxNode& node) {
  if (node.opset >= 13) return node.attrs.emplace("axis", int64_t{-1}), true;
  // one distribution over this axis and all behind it, until opset 12
  const Shape& shape = node.inputs.at(0).type.shape;
  node.attrs.emplace("axis", int64_t{1});
  const int axis = normalize_axis(attr_int(node.attrs, "axis"), shape.rank, "axis");
  if (product(shape, axis + 1, shape.rank) != 1)
    throw Error(ErrorKind::kUnsupported, text("softmax over axes ", axis, " to ", shape.rank - 1, " of ",
                                              to_string(shape), " at once, wanted over one axis"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Softmax", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the result sums to 1", AttrKind::kInt, "-1", true},
};

constexpr Shape kClasses[] = {{3, 1000}};
constexpr Shape kImage[] = {{2, 5, 3, 4}};
constexpr Shape kOne[] = {{4, 1}};
constexpr Case kCases[] = {
    {.inputs = kClasses, .lo = -8, .hi = 8},
    {.attrs = "axis=1", .inputs = kImage, .lo = -2, .hi = 2},
    {.inputs = kOne},
};

}  // namespace

extern const OpDef op_softmax;
constinit const OpDef op_softmax = {
    .name = "softmax",
    .doc = "exp(x) / sum of exp(x) along an axis",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = 1,
    .infer = infer,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
