// tile: y[i] = x[i mod extent] along every axis.
#include <vector>

#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const Ints& repeats = attr_ints(attrs, "repeats");
  if (std::ssize(repeats) != out.rank)
    throw Error(ErrorKind::kInvalid, text("attribute repeats has ", repeats.size(),
                                          " entries, wanted one per axis of ", to_string(out)));
  for (int axis = 0; axis < out.rank; ++axis) {
    const int64_t times = repeats[static_cast<size_t>(axis)];
    if (times == 1) continue;
    if (is_free(out[axis])) throw mixes_samples(text("axis ", axis, " repeated"));
    if (times < 1 || times > INT32_MAX || __builtin_mul_overflow(out[axis], times, &out[axis]))
      throw Error(ErrorKind::kInvalid,
                  text("attribute repeats is ", times, " on axis ", axis, ", wanted 1 to ", INT32_MAX));
  }
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape& in = call.in[0].shape;
  const auto from = steps_of(in), to = steps_of(call.out[0].shape);
  Box box;
  for (int axis = 0; axis < in.rank; ++axis) {
    const auto at = static_cast<size_t>(axis);
    box.add(attr_ints(call.attrs, "repeats")[at], 0, in[axis] * to[at]);
    box.add(in[axis], from[at], to[at]);
  }
  return compile_boxes<T>(call, {box});
}

bool map_onnx(OnnxNode& node) {
  node.attrs.insert_or_assign("repeats", take_ints_input(node, 1, "repeats"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Tile", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"repeats", "how often each axis is repeated", AttrKind::kInts},
};

constexpr Shape kImage[] = {{2, 3, 4, 5}};
constexpr Shape kRow[] = {{1, 33}};
constexpr Case kCases[] = {
    {.attrs = "repeats=1,2,1,3", .inputs = kImage},
    {.attrs = "repeats=2,1,3,1", .inputs = kImage},
    {.attrs = "repeats=4,1", .inputs = kRow},
    {.attrs = "repeats=1,1", .inputs = kRow},
};

}  // namespace

extern const OpDef op_tile;
constinit const OpDef op_tile = {
    .name = "tile",
    .doc = "x repeated whole along its axes",
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
