// unsqueeze: x with axes of extent 1 put in.
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
  const Ints& axes = attr_ints(attrs, "axes");
  Shape out = make_shape(Ints(static_cast<size_t>(shape.rank) + axes.size(), 0));
  for (const int64_t given : axes) {
    const int axis = normalize_axis(given, out.rank, "attribute axes");
    if (out[axis] == 1) throw Error(ErrorKind::kInvalid, text("attribute axes names axis ", axis, " twice"));
    out[axis] = 1;
  }
  int from = 0;
  for (int axis = 0; axis < out.rank; ++axis)
    if (out[axis] == 0) out[axis] = shape[from++];
  return {out};
}

bool map_onnx(OnnxNode& node) {
  node.attrs.insert_or_assign("axes", take_ints(node, "axes", 1));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Unsqueeze", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axes", "axes of the output that are new", AttrKind::kInts},
};

constexpr Shape kMatrix[] = {{2, 5}};
constexpr Case kCases[] = {
    {.attrs = "axes=2,3", .inputs = kMatrix},
    {.attrs = "axes=-2", .inputs = kMatrix},
};

}  // namespace

extern const OpDef op_unsqueeze;
constinit const OpDef op_unsqueeze = {
    .name = "unsqueeze",
    .doc = "x with axes of extent 1 put in",
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
