// slice: y[i] = x[start + step * i] along some axes.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

struct Cut {
  int64_t start = 0, step = 1, count = 0;
};

// The elements that NumPy and ONNX mean by start, end and step of an axis of `extent`.
Cut cut_of(int64_t start, int64_t end, int64_t step, int64_t extent) {
  constexpr int64_t kMostStep = int64_t{1} << 40;  // beyond every extent, and sums stay in int64
  step = std::clamp(step, -kMostStep, kMostStep);
  const int64_t least = step < 0 ? -1 : 0, most = step < 0 ? extent - 1 : extent;
  start = std::clamp(start < 0 ? start + extent : start, least, most);
  end = std::clamp(end < 0 ? end + extent : end, least, most);
  const int64_t span = step < 0 ? start - end : end - start;
  return {start, step, span <= 0 ? 0 : 1 + (span - 1) / (step < 0 ? -step : step)};
}

// Without them, ones.
Ints steps_of_axes(const Attrs& attrs) {
  const Ints& steps = attr_ints(attrs, "steps");
  return steps.empty() ? Ints(attr_ints(attrs, "axes").size(), 1) : steps;
}

// Per axis of the input.
std::vector<Cut> cuts_of(const Attrs& attrs, const Shape& in) {
  const Ints &starts = attr_ints(attrs, "starts"), &ends = attr_ints(attrs, "ends"),
             &axes = attr_ints(attrs, "axes"), steps = steps_of_axes(attrs);
  if (starts.size() != axes.size() || ends.size() != axes.size() || steps.size() != axes.size())
    throw Error(ErrorKind::kInvalid,
                text("attributes starts, ends, axes and steps have ", starts.size(), ", ", ends.size(), ", ",
                     axes.size(), " and ", steps.size(), " entries, wanted as many of each"));
  std::vector<Cut> cuts;
  for (const int64_t extent : in.extents()) cuts.push_back({0, 1, extent});
  std::vector<bool> is_given(cuts.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = normalize_axis(axes[i], in.rank, "attribute axes");
    const auto at = static_cast<size_t>(axis);
    if (is_given[at]) throw Error(ErrorKind::kInvalid, text("attribute axes names axis ", axis, " twice"));
    is_given[at] = true;
    if (steps[i] == 0) throw Error(ErrorKind::kInvalid, text("attribute steps is 0 on axis ", axis));
    if (is_free(in[axis])) {
      if (starts[i] == 0 && ends[i] == INT64_MAX && steps[i] == 1) continue;
      throw mixes_samples(text("part of axis ", axis));
    }
    cuts[at] = cut_of(starts[i], ends[i], steps[i], in[axis]);
    if (cuts[at].count == 0)
      throw Error(ErrorKind::kInvalid, text("nothing is left of axis ", axis, " of ", to_string(in), " from ",
                                            starts[i], " to ", ends[i], " by ", steps[i]));
  }
  return cuts;
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const std::vector<Cut> cuts = cuts_of(attrs, out);
  for (int axis = 0; axis < out.rank; ++axis) out[axis] = cuts[static_cast<size_t>(axis)].count;
  return {out};
}

template <typename T>
Run compile(const CompileCall& call) {
  const auto from = steps_of(call.in[0].shape), to = steps_of(call.out[0].shape);
  const std::vector<Cut> cuts = cuts_of(call.attrs, call.in[0].shape);
  Box box;
  for (size_t axis = 0; axis < cuts.size(); ++axis) {
    box.first_from += cuts[axis].start * from[axis];
    box.add(cuts[axis].count, cuts[axis].step * from[axis], to[axis]);
  }
  return compile_boxes<T>(call, {box});
}

// Of the axis of the samples, what takes all that the file was exported with takes any number of them.
void take_all_samples(OnnxNode& node) {
  const Shape& in = node.inputs.at(0).type.shape;
  const Ints& axes = attr_ints(node.attrs, "axes");
  Ints &starts = std::get<Ints>(node.attrs["starts"]), &ends = std::get<Ints>(node.attrs["ends"]);
  for (size_t i = 0; i < std::min({axes.size(), starts.size(), ends.size()}); ++i) {
    const int64_t extent = in[normalize_axis(axes[i], in.rank, "axes")];
    if (!is_free(extent)) continue;
    const bool is_all = ends[i] >= INT32_MAX || (node.batch > 0 && ends[i] >= -extent * node.batch);
    if (starts[i] == 0 && is_all) ends[i] = INT64_MAX;
  }
}

bool map_onnx(OnnxNode& node) {
  Ints starts = take_ints(node, "starts", 1), ends = take_ints(node, "ends", 2);
  Ints axes = take_ints(node, "axes", 3);
  if (axes.empty())
    for (int64_t axis = 0; axis < std::ssize(starts); ++axis) axes.push_back(axis);
  if (has_input(node, 4)) node.attrs.insert_or_assign("steps", take_ints_input(node, 4, "steps"));
  drop_inputs(node, 1);
  node.attrs.insert_or_assign("starts", std::move(starts));
  node.attrs.insert_or_assign("ends", std::move(ends));
  node.attrs.insert_or_assign("axes", std::move(axes));
  take_all_samples(node);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Slice", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axes", "the axes that are cut", AttrKind::kInts, "", true},
    {"starts", "where each begins; below 0: counted from the end", AttrKind::kInts},
    {"ends", "before which each ends; below 0: counted from the end", AttrKind::kInts},
    {"steps", "from one element to the next, below 0: backwards; none: ones", AttrKind::kInts, "none"},
};

constexpr Shape kImage[] = {{2, 5, 6, 7}};
constexpr Shape kMatrix[] = {{3, 33}};
constexpr Case kCases[] = {
    {.attrs = "axes=1;starts=1;ends=4", .inputs = kImage},
    {.attrs = "axes=2,3;starts=0,1;ends=9223372036854775807,6;steps=2,2", .inputs = kImage},
    {.attrs = "axes=-1,0;starts=-1,-1;ends=-9223372036854775808,-9;steps=-1,-1", .inputs = kMatrix},
    {.attrs = "axes=1;starts=30;ends=2;steps=-9", .inputs = kMatrix},
    {.attrs = "axes=0;starts=0;ends=9223372036854775807", .inputs = kMatrix},
};

}  // namespace

extern const OpDef op_slice;
constinit const OpDef op_slice = {
    .name = "slice",
    .doc = "part of x along some axes, in steps or backwards",
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
