#include "ops/shared/reduce.h"

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"

namespace q {

namespace {

using AxisSet = std::array<bool, kMaxRank>;

AxisSet reduced_axes(const Attrs& attrs, int rank) {
  const Ints& axes = attr_ints(attrs, "axes");
  AxisSet reduced{};
  if (axes.empty()) std::fill_n(reduced.begin(), rank, true);
  for (const int64_t each : axes) {
    const int axis = normalize_axis(each, rank, "attribute axes");
    if (reduced[static_cast<size_t>(axis)])
      throw Error(ErrorKind::kInvalid, text("attribute axes holds axis ", axis, " twice"));
    reduced[static_cast<size_t>(axis)] = true;
  }
  return reduced;
}

void add_axis(ReducePlan::Axes& axes, ReducePlan::Axis axis) {
  axes.of[static_cast<size_t>(axes.rank++)] = axis;
}

}  // namespace

int64_t ReducePlan::Axes::count() const {
  int64_t out = 1;
  for (int axis = 0; axis < rank; ++axis) out *= of[static_cast<size_t>(axis)].extent;
  return out;
}

int64_t ReducePlan::Axes::offset(int64_t index) const {
  int64_t out = 0;
  for (size_t axis = static_cast<size_t>(rank); axis-- > 0;) {
    out += index % of[axis].extent * of[axis].step;
    index /= of[axis].extent;
  }
  return out;
}

std::vector<Shape> infer_reduce(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const AxisSet reduced = reduced_axes(attrs, shape.rank);
  const int64_t keepdims = attr_int(attrs, "keepdims");
  if (keepdims != 0 && keepdims != 1)
    throw Error(ErrorKind::kInvalid, text("attribute keepdims is ", keepdims, ", wanted 0 or 1"));
  Shape out;
  for (int axis = 0; axis < shape.rank; ++axis) {
    const bool goes = reduced[static_cast<size_t>(axis)];
    if (goes && shape[axis] == 0)
      throw Error(ErrorKind::kInvalid,
                  text("input is ", to_string(shape), ", wanted an element along axis ", axis));
    if (!goes || keepdims == 1) out[out.rank++] = goes ? 1 : shape[axis];
  }
  return {out};
}

void samples_reduce(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  const int axis = free_axis(in[0].shape);
  if (reduced_axes(attrs, in[0].shape.rank)[static_cast<size_t>(axis)])
    throw mixes_samples(text("one result over axis ", axis));
}

int64_t reduced_elements(const Attrs& attrs, const Shape& shape) {
  const AxisSet reduced = reduced_axes(attrs, shape.rank);
  Shape own;
  for (int axis = 0; axis < shape.rank; ++axis)
    if (reduced[static_cast<size_t>(axis)]) own[own.rank++] = shape[axis];
  return product(own, 0, own.rank);
}

bool reduces_last_axes(const Attrs& attrs, int rank) {
  const AxisSet reduced = reduced_axes(attrs, rank);
  return std::is_sorted(reduced.begin(), reduced.begin() + rank);
}

ReducePlan plan_reduce(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const AxisSet reduced = reduced_axes(call.attrs, shape.rank);
  ReducePlan plan;
  for (int first = 0, end = 0; first < shape.rank; first = end) {
    const bool goes = reduced[static_cast<size_t>(first)];
    while (end < shape.rank && reduced[static_cast<size_t>(end)] == goes) ++end;
    const int64_t extent = product(shape, first, end);
    if (goes) plan.terms *= extent;
    if (end == shape.rank) {
      plan.last = extent;
      plan.reduces_last = goes;
      plan.outputs_a_line = goes ? 1 : extent;
    } else {
      add_axis(goes ? plan.reduced : plan.kept, {extent, product(shape, end, shape.rank)});
    }
  }
  return plan;
}

bool map_reduce(OnnxNode& node) {
  const Ints axes = take_ints(node, "axes", 1);
  if (take_attr<int64_t>(node.attrs, "noop_with_empty_axes", 0) != 0 && axes.empty())
    throw Error(ErrorKind::kUnsupported, "noop_with_empty_axes is 1 and there are no axes, wanted some");
  drop_inputs(node, 1);  // one that is left out too
  if (!axes.empty()) node.attrs.emplace("axes", axes);
  return true;
}

}  // namespace q
