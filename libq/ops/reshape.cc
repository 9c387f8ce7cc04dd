// reshape: the same elements in another shape.
#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "q/op.h"

namespace q {

namespace {

int64_t count(const Shape& shape) { return product(shape, 0, shape.rank); }

// The shape a list means over an input: 0 is the input's extent, one -1 what remains. Nothing when the
// elements do not fit, or when a free extent would lose its place as an axis of its own or the first one, so
// that the samples of a batch mixed.
std::optional<Shape> resolve(const Ints& wanted, const Shape& in) {
  Shape out = make_shape(wanted), in_fixed = in;
  const int rest = static_cast<int>(std::find(wanted.begin(), wanted.end(), -1) - wanted.begin());
  for (int axis = 0; axis < out.rank; ++axis) {
    if (out[axis] < 0 && axis != rest) return {};
    if (out[axis] == 0 && axis >= in.rank) return {};
    if (out[axis] == 0) out[axis] = in[axis];
  }
  Shape out_fixed = out;  // free extents, and what remains, as 1
  if (rest < out.rank) out_fixed[rest] = 1;
  bool rest_is_free = false;
  for (int axis = 0; axis < in.rank; ++axis) {
    if (in[axis] != kFree) continue;
    in_fixed[axis] = 1;
    if (axis < out.rank && wanted[static_cast<size_t>(axis)] == 0) {
      out_fixed[axis] = 1;
      if (product(in_fixed, 0, axis) != product(out_fixed, 0, axis) || rest < axis) return {};
    } else if (axis == 0 && rest == 0 && out.rank > 0) {
      rest_is_free = true;
    } else {
      return {};
    }
  }
  const int64_t in_count = count(in_fixed), out_count = count(out_fixed);
  if (rest == out.rank) return in_count == out_count ? std::optional(out) : std::nullopt;
  if (out_count == 0 || in_count % out_count != 0) return {};
  if (!rest_is_free) out[rest] = in_count / out_count;
  return out;
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Ints& wanted = attr_ints(attrs, "shape");
  const std::optional<Shape> out = resolve(wanted, in[0].shape);
  if (!out)
    throw Error(ErrorKind::kInvalid,
                text("input ", to_string(in[0].shape), " cannot become ", to_string(make_shape(wanted)),
                     " (0: the input's extent, N: what remains)"));
  return {*out};
}

bool map_onnx(OnnxNode& node) {
  Ints shape = take_ints_input(node, 1, "shape");
  if (take_attr<int64_t>(node.attrs, "allowzero", 0) != 0 && std::count(shape.begin(), shape.end(), 0) > 0)
    throw Error(ErrorKind::kUnsupported, "an extent of 0 with allowzero, wanted at least 1");
  // a batch that the exporter wrote down as 1 and that has been made free since
  const Shape& in = node.inputs.at(0).type.shape;
  if (in.rank > 0 && in[0] == kFree && !shape.empty() && shape[0] == 1) {
    Ints kept = shape;
    kept[0] = 0;
    if (resolve(kept, in)) shape = kept;
  }
  node.attrs.insert_or_assign("shape", shape);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Reshape", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"shape", "extents of the output: 0 is the input's, one -1 what remains", AttrKind::kInts},
};

constexpr Shape kImage[] = {{2, 3, 4, 5}};
constexpr Shape kMatrix[] = {{2, 24}};
constexpr Case kCases[] = {
    {.attrs = "shape=0,60", .inputs = kImage},
    {.attrs = "shape=-1,60", .inputs = kImage},
    {.attrs = "shape=0,0,-1", .inputs = kImage},
    {.attrs = "shape=0,2,3,4", .inputs = kMatrix},
};

}  // namespace

extern const OpDef op_reshape;
constinit const OpDef op_reshape = {
    .name = "reshape",
    .doc = "the elements of x, in row-major order, in another shape",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .f32 = compile_move,
    .quant = compile_move,
    .cases = kCases,
};

}  // namespace q
