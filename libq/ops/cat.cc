// cat: the inputs one behind the other along an axis. One whose first extent is 1 where others have more is
// repeated: a constant may stand beside samples.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "ops/shared/join.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const int cat_axis = normalize_axis(attr_int(attrs, "axis"), out.rank, "attribute axis");
  for (const TensorType& type : in)
    if (out[0] == 1 && type.shape.rank > 0) out[0] = type.shape[0];
  out[cat_axis] = 0;
  for (const TensorType& type : in) {
    Shape rest = type.shape;
    if (rest.rank != out.rank)
      throw Error(ErrorKind::kInvalid, text("inputs are ", to_string(in[0].shape), " and ", to_string(rest),
                                            ", wanted the same rank"));
    // batches one behind the other would no longer be a batch
    if (is_free(rest[cat_axis])) throw mixes_samples(text("inputs joined along axis ", cat_axis));
    out[cat_axis] += rest[cat_axis];
    rest[cat_axis] = out[cat_axis];
    if (rest[0] == 1 && out[0] >= -1) rest[0] = out[0];  // not for several of each sample
    if (rest != out)
      throw Error(ErrorKind::kInvalid,
                  text("inputs are ", to_string(in[0].shape), " and ", to_string(type.shape),
                       ", wanted to differ along axis ", cat_axis, " only"));
  }
  return {out};
}

template <Run (*kJoin)(const CompileCall&, int)>
Run compile(const CompileCall& call) {
  return kJoin(call, normalize_axis(attr_int(call.attrs, "axis"), call.out[0].shape.rank, "attribute axis"));
}

// ONNX has all inputs of the same first extent; only a constant of one sample, beside any number of them, is
// of another.
bool map_concat(OnnxNode& node) {
  const auto first_of = [](const OnnxNode::Input& input) {
    const Shape& shape = input.type.shape;
    return shape.rank == 0 ? 1 : shape[0];
  };
  const auto more =
      std::ranges::find_if(node.inputs, [&](const auto& input) { return first_of(input) != 1; });
  if (more == node.inputs.end()) return true;
  const int axis = normalize_axis(attr_int(node.attrs, "axis"), more->type.shape.rank, "attribute axis");
  for (const OnnxNode::Input& input : node.inputs)
    if (axis != 0 && first_of(input) == 1 && !(input.constant && is_free(first_of(*more))))
      throw Error(ErrorKind::kInvalid,
                  text("inputs are ", to_string(more->type.shape), " and ", to_string(input.type.shape),
                       ", wanted to differ along axis ", axis, " only"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Concat", 7, map_concat}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the inputs follow one another", AttrKind::kInt, "1", true},
};

constexpr Shape kChannels[] = {{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 7, 4, 5}};
constexpr Shape kLast[] = {{3, 17}, {3, 1}};
constexpr Shape kRows[] = {{2, 5}, {3, 5}};
constexpr Shape kOne[] = {{2, 3}};
constexpr Shape kRepeatedFirst[] = {{4, 2, 3}, {1, 2, 2}};
constexpr Shape kRepeated[] = {{1, 2, 3}, {4, 1, 3}};
constexpr Case kCases[] = {
    {.attrs = "axis=1", .inputs = kChannels},
    {.attrs = "axis=-1", .inputs = kLast},
    {.attrs = "axis=0", .inputs = kRows, .constants_from = 1},
    {.attrs = "axis=1", .inputs = kOne},
    {.attrs = "axis=1", .inputs = kRepeated},
    {.attrs = "axis=2", .inputs = kRepeatedFirst, .constants_from = 1},
};

}  // namespace

extern const OpDef op_cat;
constinit const OpDef op_cat = {
    .name = "cat",
    .doc = "the inputs one behind the other along an axis; one whose first extent is 1 is repeated",
    .inputs_min = 1,
    .inputs_max = kMaxInputs,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kShared,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<compile_join_f32>,
    .quant = compile<compile_join_u8>,
    .cases = kCases,
};

}  // namespace q
