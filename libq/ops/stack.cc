// stack: y[a.., i, b..] = x_i[a.., b..]: the inputs one behind the other along a new axis.
#include <vector>

#include "base/text.h"
#include "ops/shared/join.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

// Of the output, which has one axis more than the inputs.
int stacked_axis(const Attrs& attrs, const Shape& in) {
  return normalize_axis(attr_int(attrs, "axis"), in.rank + 1, "attribute axis");
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  for (const TensorType& type : in)
    if (type.shape != shape)
      throw Error(ErrorKind::kInvalid, text("inputs are ", to_string(shape), " and ", to_string(type.shape),
                                            ", wanted the same extents"));
  Ints out(shape.extents().begin(), shape.extents().end());
  out.insert(out.begin() + stacked_axis(attrs, shape), std::ssize(in));
  return {make_shape(out)};
}

template <Run (*kJoin)(const CompileCall&, int)>
Run compile(const CompileCall& call) {
  return kJoin(call, stacked_axis(call.attrs, call.in[0].shape));
}

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis of the output along which the inputs follow one another", AttrKind::kInt, "0"},
};

constexpr Shape kMatrices[] = {{3, 17}, {3, 17}, {3, 17}};
constexpr Shape kImages[] = {{2, 3, 4, 5}, {2, 3, 4, 5}};
constexpr Shape kOne[] = {{5}};
constexpr Case kCases[] = {
    {.inputs = kMatrices},
    {.attrs = "axis=1", .inputs = kMatrices, .constants_from = 2},
    {.attrs = "axis=-1", .inputs = kImages},
    {.attrs = "axis=1", .inputs = kOne},
};

}  // namespace

extern const OpDef op_stack;
constinit const OpDef op_stack = {
    .name = "stack",
    .doc = "the inputs, all of one shape, one behind the other along a new axis",
    .inputs_min = 1,
    .inputs_max = kMaxInputs,
    .attrs = kAttrs,
    .layout = Layout::kPlain,
    .qrule = QRule::kShared,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<compile_join_f32>,
    .quant = compile<compile_join_u8>,
    .cases = kCases,
};

}  // namespace q
