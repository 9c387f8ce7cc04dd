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

std::vector<Shape> infer_binary(const Attrs& attrs, std::span<const TensorType> in) {
  check_clamp(attrs);
  const Shape &a = in[0].shape, &b = in[1].shape;
  Shape out;
  out.rank = std::max(a.rank, b.rank);
  for (int axis = 0; axis < out.rank; ++axis) {
    const int64_t x = extent_from_back(a, axis), y = extent_from_back(b, axis);
    if (x != y && x != 1 && y != 1)
      throw Error(ErrorKind::kInvalid, text("inputs are ", to_string(a), " and ", to_string(b),
                                            ", wanted extents that are equal or 1"));
    out[out.rank - 1 - axis] = x == 1 ? y : x;
  }
  return {out};
}

Broadcast broadcast(const Shape& a, const Shape& b, const Shape& out) {
  std::vector<Broadcast::Axis> axes;  // fastest first, joined where both operands go on evenly
  int64_t a_elements = 1, b_elements = 1;
  for (int axis = 0; axis < out.rank; ++axis) {
    const int64_t x = extent_from_back(a, axis), y = extent_from_back(b, axis);
    const Broadcast::Axis next{extent_from_back(out, axis), x == 1 ? 0 : a_elements, y == 1 ? 0 : b_elements};
    a_elements *= x;
    b_elements *= y;
    if (next.extent == 1) continue;
    if (!axes.empty() && next.a_step == axes.back().a_step * axes.back().extent &&
        next.b_step == axes.back().b_step * axes.back().extent) {
      axes.back().extent *= next.extent;
    } else {
      axes.push_back(next);
    }
  }
  Broadcast plan;
  if (axes.empty()) return plan;
  plan.row = axes[0];
  plan.outer_rank = static_cast<int>(axes.size()) - 1;
  for (size_t i = 1; i < axes.size(); ++i) {
    plan.outer[axes.size() - 1 - i] = axes[i];
    plan.rows *= axes[i].extent;
  }
  return plan;
}

Run compile_binary_f32(const CompileCall& call, BinaryF32 kernel) {
  for (const TensorType& type : call.in) {
    if (type.dtype != DType::kF32)
      throw Error(ErrorKind::kUnsupported, text("an input is ", name_of(type.dtype), ", wanted f32"));
  }
  const float lo = static_cast<float>(attr_float(call.attrs, "min"));
  const float hi = static_cast<float>(attr_float(call.attrs, "max"));
  return compile_broadcast<float>(
      call, [=](const float* a, const float* b, size_t n, float* out) { kernel(a, b, n, lo, hi, out); });
}

}  // namespace q
