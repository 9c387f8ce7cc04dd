// flatten: the axes before a given one joined, and the others joined.
#include <vector>

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const int64_t given = attr_int(attrs, "axis");
  const int axis = given == shape.rank ? shape.rank : normalize_axis(given, shape.rank, "attribute axis");
  return {{product(shape, 0, axis), product(shape, axis, shape.rank)}};
}

constexpr OnnxName kOnnx[] = {{"Flatten"}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "first axis of the second part", AttrKind::kInt, "1"},
};

constexpr Shape kImage[] = {{2, 3, 4, 5}};
constexpr Case kCases[] = {
    {.inputs = kImage},
    {.attrs = "axis=3", .inputs = kImage},
    {.attrs = "axis=0", .inputs = kImage},
};

}  // namespace

extern const OpDef op_flatten;
constinit const OpDef op_flatten = {
    .name = "flatten",
    .doc = "x as a matrix: the axes before `axis` joined, and the others joined",
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
