// split: y1, y2, ... are parts of x one behind the other along an axis; chunk with sizes worked out.
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
  const Shape& shape = in[0].shape;
  const Ints& sizes = attr_ints(attrs, "split");
  const int axis = normalize_axis(attr_int(attrs, "axis"), shape.rank, "attribute axis");
  if (sizes.empty()) throw Error(ErrorKind::kInvalid, "attribute split has no entries, wanted at least 1");
  if (is_free(shape[axis])) throw mixes_samples(text("parts of axis ", axis));
  std::vector<Shape> out;
  int64_t rest = shape[axis];
  for (const int64_t size : sizes) {
    if (size < 1 || size > rest) break;
    rest -= size;
    out.push_back(shape);
    out.back()[axis] = size;
  }
  if (rest != 0 || out.size() != sizes.size())
    throw Error(ErrorKind::kInvalid,
                text("attribute split has ", sizes.size(), " entries, wanted extents from 1 on whose sum is ",
                     shape[axis], ", that of axis ", axis));
  return out;
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape& in = call.in[0].shape;
  const int axis = normalize_axis(attr_int(call.attrs, "axis"), in.rank, "attribute axis");
  const int64_t rows = product(in, 0, axis), step = product(in, axis + 1, in.rank);
  std::vector<Box> boxes;
  int64_t first = 0;
  for (const TensorType& out : call.out) {
    const int64_t count = out.shape[axis] * step;
    Box box{.first_from = first};
    box.add(rows, in[axis] * step, count);
    box.add(count, 1, 1);
    boxes.push_back(box);
    first += count;
  }
  return compile_boxes<T>(call, std::move(boxes));
}

// As many parts as the node has outputs; since opset 18 the last may be smaller.
Ints even_sizes(const OnnxNode& node, int64_t parts, int64_t extent) {
  if (is_free(extent)) throw mixes_samples("parts of their axis");
  if (parts < 1 || parts > extent)
    throw Error(ErrorKind::kInvalid, text(parts, " parts, wanted 1 to ", extent));
  const int64_t size = (extent + parts - 1) / parts, last = extent - size * (parts - 1);
  if (last < 1 || (last < size && node.opset < 18))
    throw Error(ErrorKind::kInvalid, text(parts, " parts of ", extent, ", wanted equal ones"));
  Ints sizes(static_cast<size_t>(parts), size);
  sizes.back() = last;
  return sizes;
}

bool map_onnx(OnnxNode& node) {
  const Shape& in = node.inputs.at(0).type.shape;
  const int axis = normalize_axis(take_attr<int64_t>(node.attrs, "axis", 0), in.rank, "attribute axis");
  const int64_t parts = take_attr<int64_t>(node.attrs, "num_outputs", node.outputs);
  Ints sizes = take_ints(node, "split", 1);
  const int64_t wanted = sizes.empty() ? parts : std::ssize(sizes);
  if (wanted != node.outputs)
    throw Error(ErrorKind::kInvalid, text(node.outputs, " outputs, wanted ", wanted));
  if (sizes.empty()) sizes = even_sizes(node, parts, in[axis]);
  drop_inputs(node, 1);
  node.attrs.insert_or_assign("split", std::move(sizes));
  node.attrs.insert_or_assign("axis", int64_t{axis});
  return true;
}

constexpr OnnxName kOnnx[] = {{"Split", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the outputs follow one another", AttrKind::kInt, "0", true},
    {"split", "extents of the outputs along it", AttrKind::kInts},
};

constexpr Shape kImage[] = {{2, 7, 3, 5}};
constexpr Shape kMatrix[] = {{4, 33}};
constexpr Case kCases[] = {
    {.attrs = "axis=1;split=4,1,2", .inputs = kImage},
    {.attrs = "axis=-1;split=17,16", .inputs = kMatrix},
    {.attrs = "split=1,3", .inputs = kMatrix},
    {.attrs = "axis=2;split=3", .inputs = kImage},
};

}  // namespace

extern const OpDef op_split;
constinit const OpDef op_split = {
    .name = "split",
    .doc = "x in parts along an axis, an output for each",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
