// channel_shuffle: y[n, k * groups + g, ...] = x[n, g * (C / groups) + k, ...].
#include <vector>

#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const int64_t groups = attr_int(attrs, "groups");
  if (shape.rank < 3 || shape.rank > 5)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(shape), ", wanted [N,C,...] of rank 3 to 5"));
  if (is_free(shape[1])) throw mixes_samples("channels in another order");
  if (groups < 1 || shape[1] % groups != 0)
    throw Error(ErrorKind::kInvalid,
                text("attribute groups is ", groups, ", wanted a divisor of ", shape[1], " channels"));
  return {shape};
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const int64_t groups = attr_int(call.attrs, "groups"), members = shape[1] / groups;
  Box box;  // the channels lie last
  box.add(shape[0] * product(shape, 2, shape.rank), shape[1], shape[1]);
  box.add(members, 1, groups);
  box.add(groups, members, 1);
  return compile_boxes<T>(call, {box});
}

constexpr AttrSpec kAttrs[] = {
    {"groups", "how many groups of channels take turns", AttrKind::kInt},
};

constexpr Shape kImage[] = {{2, 12, 3, 5}};
constexpr Shape kSignal[] = {{1, 34, 7}};
constexpr Case kCases[] = {
    {.attrs = "groups=3", .inputs = kImage},
    {.attrs = "groups=2", .inputs = kSignal},
    {.attrs = "groups=1", .inputs = kImage},
};

}  // namespace

extern const OpDef op_channel_shuffle;
constinit const OpDef op_channel_shuffle = {
    .name = "channel_shuffle",
    .doc = "the channels of `groups` groups in turn",
    .attrs = kAttrs,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
