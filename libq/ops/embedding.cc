// embedding: y[i.., :] = weight[indices[i..], :].
#include <algorithm>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/gather.h"
#include "ops/shared/rows.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs&, std::span<const TensorType> in) {
  check_position_type(in[0]);
  check_table(in[1]);
  Ints out(in[0].shape.extents().begin(), in[0].shape.extents().end());
  out.push_back(in[1].shape[1]);
  return {make_shape(out)};
}

Picks picks_of(const CompileCall& call, size_t element_bytes) {
  const Shape& weight = call.in[1].shape;
  return {1, weight[0], elements(call.in[0].shape), static_cast<size_t>(weight[1]) * element_bytes};
}

Run compile_f32(const CompileCall& call) {
  return [table = table_of_weight<float>(call), picks = picks_of(call, sizeof(float))](const RunCall& run) {
    copy_picks(picks, run.in[0], reinterpret_cast<const std::byte*>(table->data()), run.out[0].data);
  };
}

// Q(D(w)) of the whole table, so that looking up is copying.
std::vector<uint8_t> table_in_output(const CompileCall& call) {
  if (call.constants[1].data == nullptr)
    throw Error(ErrorKind::kUnsupported, "weight is computed, wanted a constant");
  const Shape& shape = call.in[1].shape;
  const RowReals reals(call.in[1]);
  const ToU8 to = to_u8_of(call.out[0]);
  std::vector<uint8_t> out(static_cast<size_t>(elements(shape)));
  parallel_blocks(shape[0], std::max<int64_t>(1, (1 << 14) / shape[1]), [&](int64_t first, int64_t end) {
    constexpr int64_t kChunk = 256;
    float chunk[kChunk];
    for (int64_t row = first; row < end; ++row)
      for (int64_t column = 0; column < shape[1]; column += kChunk) {
        const int64_t count = std::min(kChunk, shape[1] - column);
        reals.get(call.constants[1].as<int8_t>(), row, column, count, chunk);
        call.kernels.quantize_u8(chunk, static_cast<size_t>(count), to, out.data() + row * shape[1] + column);
      }
  });
  return out;
}

Run compile_quant(const CompileCall& call) {
  auto table = std::make_shared<const std::vector<uint8_t>>(table_in_output(call));
  return [table, picks = picks_of(call, 1)](const RunCall& run) {
    copy_picks(picks, run.in[0], reinterpret_cast<const std::byte*>(table->data()), run.out[0].data);
  };
}

bool map_gather(OnnxNode& node) {
  if (!gathers_rows(node)) return false;
  std::swap(node.inputs[0], node.inputs[1]);
  node.attrs.erase("axis");
  return true;
}

constexpr OnnxName kOnnx[] = {{"Gather", 7, map_gather}};

constexpr Shape kTokens[] = {{2, 7}, {11, 33}};
constexpr Shape kOne[] = {{5}, {3, 300}};
constexpr Case kCases[] = {
    {.inputs = kTokens, .constants_from = 1, .indices_below = 11},
    {.inputs = kOne, .constants_from = 1, .indices_below = 3},
};

}  // namespace

extern const OpDef op_embedding;
constinit const OpDef op_embedding = {
    .name = "embedding",
    .doc = "the rows of a table of weights that indices of any rank name; below 0: from the end",
    .inputs_min = 2,
    .inputs_max = 2,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .weight = 1,
    .channel_axis = -1,
    .indices = 0,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
