// index_select: y[a.., i.., b..] = x[a.., indices[i..], b..], the indices of any rank.
#include <vector>

#include "base/text.h"
#include "ops/shared/gather.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape &data = in[0].shape, &indices = in[1].shape;
  const int axis = normalize_axis(attr_int(attrs, "axis"), data.rank, "attribute axis");
  check_position_type(in[1]);
  if (is_free(data[axis])) throw mixes_samples(text("places of axis ", axis));
  Ints out(data.dims.begin(), data.dims.begin() + axis);
  out.insert(out.end(), indices.extents().begin(), indices.extents().end());
  out.insert(out.end(), data.dims.begin() + axis + 1, data.dims.begin() + data.rank);
  return {make_shape(out)};
}

Run compile(const CompileCall& call) {
  const Shape& data = call.in[0].shape;
  const int axis = normalize_axis(attr_int(call.attrs, "axis"), data.rank, "attribute axis");
  const int64_t length = product(data, axis + 1, data.rank);
  const Picks picks{product(data, 0, axis), data[axis], elements(call.in[1].shape),
                    static_cast<size_t>(length) * moved_element_bytes(call)};
  return [picks](const RunCall& run) { copy_picks(picks, run.in[1], run.in[0].data, run.out[0].data); };
}

bool map_gather(OnnxNode& node) {
  if (gathers_one(node) || gathers_rows(node)) return false;
  node.attrs.try_emplace("axis", int64_t{0});
  return true;
}

constexpr OnnxName kOnnx[] = {{"Gather", 7, map_gather}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which places are picked", AttrKind::kInt, "0"},
};

constexpr Shape kChannels[] = {{2, 5, 3, 7}, {4}};
constexpr Shape kLast[] = {{3, 17}, {2, 3}};
constexpr Shape kRows[] = {{9, 33}, {2, 4}};
constexpr Shape kOne[] = {{2, 5}, {}};
constexpr Case kCases[] = {
    {.attrs = "axis=1", .inputs = kChannels, .indices_below = 5},
    {.attrs = "axis=-1", .inputs = kLast, .constants_from = 1, .indices_below = 17},
    {.inputs = kRows, .indices_below = 9},
    {.attrs = "axis=1", .inputs = kOne, .indices_below = 5},
};

}  // namespace

extern const OpDef op_index_select;
constinit const OpDef op_index_select = {
    .name = "index_select",
    .doc = "the places of x along an axis that indices of any rank name; below 0: from the end",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .indices = 1,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile,
    .quant = compile,
    .cases = kCases,
};

}  // namespace q
