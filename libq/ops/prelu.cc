// prelu: x for x > 0, else slope * x, with one slope or one per channel.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/text.h"
#include "ops/shared/channels.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "ops/shared/unary.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs&, std::span<const TensorType> in) {
  const Shape &shape = in[0].shape, &slope = in[1].shape;
  if (slope == Shape{1}) return {shape};
  if (shape.rank < 2 || shape.rank > 5 || slope != Shape{shape[1]})
    throw Error(ErrorKind::kInvalid, text("slope is ", to_string(slope), ", input is ", to_string(shape),
                                          ", wanted one slope, or one per channel of rank 2 to 5"));
  return {shape};
}

void samples(const Attrs&, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  if (free_axis(in[0].shape) == 1 && in[1].shape != Shape{1}) throw mixes_samples("slopes along axis 1");
}

struct Slope {
  float slope;
  float operator()(float x) const { return x > 0 ? x : x * slope; }
};

std::vector<Slope> slopes_of(const CompileCall& call) {
  const View& slope = call.constants[1];
  if (slope.data == nullptr || call.in[1].dtype != DType::kF32)
    throw Error(ErrorKind::kUnsupported, text("slope is ", slope.data == nullptr ? "computed " : "",
                                              name_of(call.in[1].dtype), ", wanted an f32 constant"));
  std::vector<Slope> out;
  for (int64_t i = 0; i < elements(slope.shape); ++i) out.push_back({slope.as<float>()[i]});
  return out;
}

Run compile_f32(const CompileCall& call) {
  const auto slopes = std::make_shared<const std::vector<Slope>>(slopes_of(call));
  if (slopes->size() == 1) return compile_elementwise(call, slopes->front());
  return [rows = count_rows(call.in[0].shape), slopes](const RunCall& run) {
    const int64_t channels = std::ssize(*slopes);
    const Slope* slope = slopes->data();
    for_each_row(rows, channels, [&](int64_t row) {
      const float* x = run.in[0].as<float>() + row * channels;
      fill_with(channels, run.out[0].as<float>() + row * channels, [=](int64_t c) { return slope[c](x[c]); });
    });
  };
}

// Q(x > 0 ? x : x * slope), x = D(q). Slopes stay float32: torch's integers of them cannot hold the 1 of the
// other side when all are smaller, and saturate.
Run compile_quant(const CompileCall& call) {
  std::vector<Table> tables;
  for (const Slope& slope : slopes_of(call)) tables.push_back(table_of(call.in[0], call.out[0], slope));
  if (tables.size() == 1) return compile_lookup(call, tables[0]);
  return compile_channel_lookup(call, std::move(tables));
}

// ONNX broadcasts the slope from the last axis on; here it is [1] or [channels]. Old exporters of PyTorch
// write [channels] for any rank, which is clear where the last axis has another extent.
bool map_onnx(OnnxNode& node) {
  const Tensor& slope = onnx_constant(node, 1, "the slope");
  const Shape &shape = node.inputs[0].type.shape, &found = slope.type.shape;
  const int64_t count = elements(found);
  const bool is_of_torch = found.rank == 1 && shape.rank > 2 && shape[shape.rank - 1] != count;
  // the axis that lies on the input's second
  const int channel = is_of_torch ? 0 : found.rank - shape.rank + 1;
  if (count != 1 && (channel < 0 || channel >= found.rank || found[channel] != count || count != shape[1]))
    throw Error(ErrorKind::kUnsupported, text("slope is ", to_string(found), ", input is ", to_string(shape),
                                              ", wanted one slope, or one per channel"));
  node.inputs[1].constant->type.shape = {count};
  return true;
}

constexpr OnnxName kOnnx[] = {{"PRelu", 7, map_onnx}};

constexpr Shape kImage[] = {{2, 19, 3, 4}, {19}};
constexpr Shape kRow[] = {{3, 7}, {7}};
constexpr Shape kVolume[] = {{1, 3, 2, 5, 4}, {3}};
constexpr Shape kOne[] = {{3, 5, 2}, {1}};
constexpr Shape kVector[] = {{17}, {1}};
constexpr Case kCases[] = {
    {.inputs = kImage, .constants_from = 1},
    {.inputs = kRow, .lo = -4, .hi = 1, .constants_from = 1},
    {.inputs = kVolume, .constants_from = 1},
    {.inputs = kOne, .constants_from = 1},
    {.inputs = kVector, .lo = -2, .hi = 2, .constants_from = 1},
};

}  // namespace

extern const OpDef op_prelu;
constinit const OpDef op_prelu = {
    .name = "prelu",
    .doc = "x, below 0 slope * x; inputs x and slope: one, or one per channel (axis 1)",
    .inputs_min = 2,
    .inputs_max = 2,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .parameters_from = 1,
    .infer = infer,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
