// reshape: the same elements in another shape.
#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

// The shape a list means over an input: 0 is the input's extent, one -1 what remains. Nothing when the
// elements do not fit.
std::optional<Shape> resolve(const Ints& wanted, const Shape& in) {
  Shape out = make_shape(wanted);
  int rest = kNone;
  for (int axis = 0; axis < out.rank; ++axis) {
    if (out[axis] == -1 && rest == kNone) {
      rest = axis;
      out[axis] = 1;
    } else if (out[axis] < 0) {
      return {};
    } else if (out[axis] == 0) {
      if (axis >= in.rank) return {};
      out[axis] = in[axis];
    }
  }
  const int64_t count = product(in, 0, in.rank), known = product(out, 0, out.rank);
  if (rest == kNone) return count == known ? std::optional(out) : std::nullopt;
  if (known == 0 || count % known != 0) return {};
  out[rest] = count / known;
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

// A list that the file gives for `batch` samples, for any number of them: -1 where it has them. Unchanged
// when there is no such place.
Ints for_any_batch(const Ints& wanted, const Shape& in, int64_t batch) {
  Shape exported = in;
  const int from = free_axis(in);
  exported[from] *= -batch;
  const std::optional<Shape> out = resolve(wanted, exported);
  if (!out) return wanted;
  const auto holds_samples = [&](int axis) {
    return (*out)[axis] % batch == 0 && product(*out, 0, axis) == product(exported, 0, from);
  };
  // where an extent of 1 leaves the choice, the axis it was before
  int to = from;
  if (to >= out->rank || !holds_samples(to))
    for (to = 0; to < out->rank && !holds_samples(to);) ++to;
  if (to == out->rank) return wanted;
  Ints list(out->extents().begin(), out->extents().end());
  list[static_cast<size_t>(to)] = -1;
  return list;
}

bool map_onnx(OnnxNode& node) {
  Ints shape = take_ints_input(node, 1, "shape");
  if (take_attr<int64_t>(node.attrs, "allowzero", 0) != 0 && std::count(shape.begin(), shape.end(), 0) > 0)
    throw Error(ErrorKind::kUnsupported, "an extent of 0 with allowzero, wanted at least 1");
  const Shape& in = node.inputs.at(0).type.shape;
  if (node.batch > 0 && free_axis(in) != kNone) shape = for_any_batch(shape, in, node.batch);
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
    .samples = samples_in_order,
    .f32 = compile_move,
    .quant = compile_move,
    .cases = kCases,
};

}  // namespace q
