#include "ops/shared/binary.h"

#include "base/text.h"
#include "ops/shared/weights.h"

namespace q {

namespace {

// Extent of an axis counted from the back; 1 beyond the front.
int64_t extent_from_back(const Shape& shape, int axis) {
  return axis < shape.rank ? shape[shape.rank - 1 - axis] : 1;
}

}  // namespace

std::vector<Shape> infer_broadcast(const Attrs&, std::span<const TensorType> in) {
  Shape out;
  for (const TensorType& type : in) {
    const Shape before = out;
    out.rank = std::max(before.rank, type.shape.rank);
    for (int axis = 0; axis < out.rank; ++axis) {
      const int64_t x = extent_from_back(before, axis), y = extent_from_back(type.shape, axis);
      if (x != y && x != 1 && y != 1) {
        const Shape& first = in.size() == 2 ? in[0].shape : before;
        throw Error(ErrorKind::kInvalid, text("inputs are ", to_string(first), " and ", to_string(type.shape),
                                              ", wanted extents that are equal or 1"));
      }
      out[out.rank - 1 - axis] = x == 1 ? y : x;
    }
  }
  return {out};
}

std::vector<Shape> infer_binary(const Attrs& attrs, std::span<const TensorType> in) {
  check_clamp(attrs);
  return infer_broadcast(attrs, in);
}

Broadcast broadcast(std::span<const TensorType> in, const Shape& out) {
  struct Axis {
    int64_t extent;
    std::vector<int64_t> steps;  // per operand
  };
  std::vector<Axis> axes;                     // fastest first, joined where all operands go on evenly
  std::vector<int64_t> counts(in.size(), 1);  // elements of each operand below the axis
  for (int axis = 0; axis < out.rank; ++axis) {
    Axis next{extent_from_back(out, axis), {}};
    for (size_t i = 0; i < in.size(); ++i) {
      const int64_t extent = extent_from_back(in[i].shape, axis);
      next.steps.push_back(extent == 1 ? 0 : counts[i]);
      counts[i] *= extent;
    }
    if (next.extent == 1) continue;
    const auto goes_on = [&](int64_t step, int64_t before) { return step == before * axes.back().extent; };
    if (!axes.empty() && std::ranges::equal(next.steps, axes.back().steps, goes_on))
      axes.back().extent *= next.extent;
    else
      axes.push_back(std::move(next));
  }
  if (axes.empty()) axes.push_back({1, std::vector<int64_t>(in.size(), 1)});
  Broadcast plan{.operands = in.size(), .extent = axes[0].extent, .row_steps = axes[0].steps};
  for (size_t i = axes.size(); i-- > 1;) {
    plan.rows *= axes[i].extent;
    plan.outer.push_back(axes[i].extent);
    plan.steps.insert(plan.steps.end(), axes[i].steps.begin(), axes[i].steps.end());
  }
  return plan;
}

void check_f32(const CompileCall& call) {
  for (const TensorType& type : call.in) {
    if (type.dtype != DType::kF32)
      throw Error(ErrorKind::kUnsupported, text("an input is ", name_of(type.dtype), ", wanted f32"));
  }
}

Run compile_binary_f32(const CompileCall& call, BinaryF32 kernel) {
  check_f32(call);
  const float lo = static_cast<float>(attr_float(call.attrs, "min"));
  const float hi = static_cast<float>(attr_float(call.attrs, "max"));
  return compile_broadcast<float>(
      call, [=](const float* a, const float* b, size_t n, float* out) { kernel(a, b, n, lo, hi, out); });
}

}  // namespace q
