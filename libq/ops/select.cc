// select: y = x[..., index, ...], without the axis.
#include <vector>

#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/gather.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

// Where the slice lies: an axis, and a position from the front.
struct Place {
  int axis;
  int64_t index;
};

Place place_of(const Attrs& attrs, const Shape& in) {
  const int axis = normalize_axis(attr_int(attrs, "axis"), in.rank, "attribute axis");
  const int64_t index = attr_int(attrs, "index"), extent = in[axis];
  if (is_free(extent)) throw mixes_samples(text("one place of axis ", axis));
  if (index < -extent || index >= extent)
    throw Error(ErrorKind::kInvalid, text("attribute index is ", index, ", wanted ", -extent, " to ",
                                          extent - 1, " on axis ", axis, " of ", to_string(in)));
  return {axis, index < 0 ? index + extent : index};
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Place place = place_of(attrs, in[0].shape);
  Shape out;
  for (int axis = 0; axis < in[0].shape.rank; ++axis)
    if (axis != place.axis) out[out.rank++] = in[0].shape[axis];
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape& in = call.in[0].shape;
  const Place place = place_of(call.attrs, in);
  const auto from = steps_of(in), to = steps_of(call.out[0].shape);
  Box box{.first_from = place.index * from[static_cast<size_t>(place.axis)]};
  size_t axis_out = 0;
  for (int axis = 0; axis < in.rank; ++axis)
    if (axis != place.axis) box.add(in[axis], from[static_cast<size_t>(axis)], to[axis_out++]);
  return compile_boxes<T>(call, {box});
}

bool map_gather(OnnxNode& node) {
  if (!gathers_one(node)) return false;
  const OnnxNode::Input& index = node.inputs[1];
  node.attrs.insert_or_assign("index", index.constant->type.dtype == DType::kI64
                                           ? *index.constant->as<int64_t>()
                                           : int64_t{*index.constant->as<int32_t>()});
  node.attrs.try_emplace("axis", int64_t{0});
  node.inputs[1].used = false;
  return true;
}

constexpr OnnxName kOnnx[] = {{"Gather", 7, map_gather}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis that is left out", AttrKind::kInt, "0"},
    {"index", "the place along it; below 0: counted from the end", AttrKind::kInt},
};

constexpr Shape kImage[] = {{2, 5, 6, 7}};
constexpr Shape kTokens[] = {{2, 9, 33}};
constexpr Case kCases[] = {
    {.attrs = "axis=1;index=0", .inputs = kTokens},
    {.attrs = "axis=-1;index=-2", .inputs = kImage},
    {.attrs = "index=1", .inputs = kImage},
};

}  // namespace

extern const OpDef op_select;
constinit const OpDef op_select = {
    .name = "select",
    .doc = "the elements of x at one place of an axis, without that axis",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
