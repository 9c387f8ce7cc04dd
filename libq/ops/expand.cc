// expand: x repeated along axes of extent 1 and along new axes before its own, as NumPy broadcasts.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

constexpr int64_t kKept = -1;

[[noreturn]] void refuse(const Shape& in, const Ints& wanted) {
  throw Error(ErrorKind::kInvalid, text("input ", to_string(in), " cannot be repeated to ",
                                        to_string(make_shape(wanted)), " (N: the input's extent)"));
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& from = in[0].shape;
  const Ints& wanted = attr_ints(attrs, "shape");
  Shape out = make_shape(Ints(std::max(wanted.size(), static_cast<size_t>(from.rank)), 1));
  for (int i = 1; i <= out.rank; ++i) {  // from the last axis on
    const bool is_new = i > from.rank;
    const int64_t extent = is_new ? 1 : from[from.rank - i];
    int64_t target = i > std::ssize(wanted) ? kKept : wanted[wanted.size() - static_cast<size_t>(i)];
    if (target < kKept || target == 0 || (is_new && target == kKept)) refuse(from, wanted);
    if (target == kKept || target == 1) target = extent;
    if (extent != 1 && extent != target) refuse(from, wanted);
    out[out.rank - i] = target;
  }
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape &in = call.in[0].shape, &out = call.out[0].shape;
  const auto from = steps_of(in), to = steps_of(out);
  Box box;
  for (int axis = 0; axis < out.rank; ++axis) {
    const int source = axis - (out.rank - in.rank);
    const bool repeats = source < 0 || in[source] != out[axis];
    box.add(out[axis], repeats ? 0 : from[static_cast<size_t>(source)], to[static_cast<size_t>(axis)]);
  }
  return compile_boxes<T>(call, {box});
}

// What is repeated for each sample is left at one: it is the same for all.
bool map_onnx(OnnxNode& node) {
  const Shape& in = node.inputs.at(0).type.shape;
  Ints shape = take_ints_input(node, 1, "the shape");
  const int axis = free_axis(in);
  const int64_t place = std::ssize(shape) - (in.rank - axis);
  if (axis != kNone && place >= 0) {
    int64_t& extent = shape[static_cast<size_t>(place)];
    if (counts_all_samples(node, extent, in[axis])) extent = kKept;
  }
  node.attrs.insert_or_assign("shape", std::move(shape));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Expand", 8, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"shape", "extents to repeat to, of the last axes; -1 or 1: the input's", AttrKind::kInts},
};

constexpr Shape kColumn[] = {{3, 1, 5, 1}};
constexpr Shape kRow[] = {{1, 33}};
constexpr Case kCases[] = {
    {.attrs = "shape=3,4,1,17", .inputs = kColumn},
    {.attrs = "shape=2,1,-1,33", .inputs = kRow},
    {.attrs = "shape=5,-1", .inputs = kRow},
    {.attrs = "shape=33", .inputs = kRow},
};

}  // namespace

extern const OpDef op_expand;
constinit const OpDef op_expand = {
    .name = "expand",
    .doc = "x repeated along axes of extent 1 and along new ones before its own",
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
