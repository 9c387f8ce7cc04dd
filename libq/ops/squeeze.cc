// squeeze: x without some axes of extent 1.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  std::vector<bool> gone(static_cast<size_t>(shape.rank));
  const Ints& axes = attr_ints(attrs, "axes");
  for (const int64_t given : axes) {
    const int axis = normalize_axis(given, shape.rank, "attribute axes");
    if (shape[axis] != 1)
      throw Error(ErrorKind::kInvalid,
                  text("input is ", to_string(shape), ", wanted an extent of 1 on axis ", axis));
    gone[static_cast<size_t>(axis)] = true;
  }
  Shape out;
  for (int axis = 0; axis < shape.rank; ++axis) {
    const bool drop = axes.empty() ? shape[axis] == 1 : gone[static_cast<size_t>(axis)];
    if (!drop) out[out.rank++] = shape[axis];
  }
  return {out};
}

bool map_onnx(OnnxNode& node) {
  node.attrs.insert_or_assign("axes", take_ints(node, "axes", 1));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Squeeze", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axes", "axes to leave out; none: all of extent 1", AttrKind::kInts, "none"},
};

constexpr Shape kPixel[] = {{2, 5, 1, 1}};
constexpr Case kCases[] = {
    {.attrs = "axes=2,3", .inputs = kPixel},
    {.attrs = "axes=-1", .inputs = kPixel},
    {.inputs = kPixel},
};

}  // namespace

extern const OpDef op_squeeze;
constinit const OpDef op_squeeze = {
    .name = "squeeze",
    .doc = "x without some axes of extent 1",
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
