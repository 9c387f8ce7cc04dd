// transpose: x with its axes in another order.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

void check_perm(const Ints& perm, int rank) {
  Ints sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool complete = std::ssize(sorted) == rank;
  for (int64_t axis = 0; complete && axis < rank; ++axis)
    complete = sorted[static_cast<size_t>(axis)] == axis;
  if (!complete)
    throw Error(ErrorKind::kInvalid, text("attribute perm has ", perm.size(), " entries, wanted each of the ",
                                          rank, " axes once"));
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Ints& perm = attr_ints(attrs, "perm");
  check_perm(perm, in[0].shape.rank);
  Shape out = in[0].shape;
  for (int axis = 0; axis < out.rank; ++axis)
    out[axis] = in[0].shape[static_cast<int>(perm[static_cast<size_t>(axis)])];
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  const auto from = steps_of(call.in[0].shape), to = steps_of(call.out[0].shape);
  const Ints& perm = attr_ints(call.attrs, "perm");
  Box box;
  for (size_t axis = 0; axis < perm.size(); ++axis)
    box.add(call.out[0].shape[static_cast<int>(axis)], from[static_cast<size_t>(perm[axis])], to[axis]);
  return compile_boxes<T>(call, {box});
}

bool map_onnx(OnnxNode& node) {
  if (node.attrs.contains("perm")) return true;
  Ints reversed;
  for (int64_t axis = node.inputs.at(0).type.shape.rank; axis-- > 0;) reversed.push_back(axis);
  node.attrs.emplace("perm", reversed);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Transpose", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"perm", "the input's axis that becomes each axis of the output", AttrKind::kInts},
};

constexpr Shape kMatrix[] = {{3, 17}};
constexpr Shape kHeads[] = {{2, 5, 3, 8}};
constexpr Shape kVolume[] = {{2, 3, 1, 4, 5}};
constexpr Case kCases[] = {
    {.attrs = "perm=1,0", .inputs = kMatrix},       {.attrs = "perm=0,2,1,3", .inputs = kHeads},
    {.attrs = "perm=0,2,3,1", .inputs = kHeads},    {.attrs = "perm=4,2,0,1,3", .inputs = kVolume},
    {.attrs = "perm=0,1,2,3,4", .inputs = kVolume},
};

}  // namespace

extern const OpDef op_transpose;
constinit const OpDef op_transpose = {
    .name = "transpose",
    .doc = "x with its axes in another order",
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
