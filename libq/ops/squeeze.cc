// squeeze: x without some axes of extent 1.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  std::vector<bool> gone(static_cast<size_t>(shape.rank));
  for (const int64_t given : attr_ints(attrs, "axes")) {
    const int axis = normalize_axis(given, shape.rank, "attribute axes");
    if (is_free(shape[axis])) throw mixes_samples(text("axis ", axis, " left out"));
    if (shape[axis] != 1)
      throw Error(ErrorKind::kInvalid,
                  text("input is ", to_string(shape), ", wanted an extent of 1 on axis ", axis));
    gone[static_cast<size_t>(axis)] = true;
  }
  Shape out;
  for (int axis = 0; axis < shape.rank; ++axis)
    if (!gone[static_cast<size_t>(axis)]) out[out.rank++] = shape[axis];
  return {out};
}

// Without axes all those of extent 1, as the file has them: what is left must not depend on the number of
// samples.
Ints axes_of_one(const Shape& in, int64_t batch) {
  Ints axes;
  for (int axis = 0; axis < in.rank; ++axis)
    if ((is_free(in[axis]) ? -in[axis] * batch : in[axis]) == 1) axes.push_back(axis);
  return axes;
}

bool map_onnx(OnnxNode& node) {
  const bool has_axes = node.attrs.contains("axes") || has_input(node, 1);
  const Ints axes =
      has_axes ? take_ints(node, "axes", 1) : axes_of_one(node.inputs.at(0).type.shape, node.batch);
  node.attrs.insert_or_assign("axes", axes);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Squeeze", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axes", "axes of extent 1 to leave out", AttrKind::kInts},
};

constexpr Shape kPixel[] = {{2, 5, 1, 1}};
constexpr Case kCases[] = {
    {.attrs = "axes=2,3", .inputs = kPixel},
    {.attrs = "axes=-1", .inputs = kPixel},
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
    .samples = samples_in_order,
    .f32 = compile_move,
    .quant = compile_move,
    .cases = kCases,
};

}  // namespace q
