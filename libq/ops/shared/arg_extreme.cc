#include "ops/shared/arg_extreme.h"

#include "ops/shared/positions.h"

namespace q {

std::vector<Shape> infer_arg_extreme(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const int axis = line_axis(attrs, shape);
  check_positions(shape, axis);
  attr_bool(attrs, "select_last_index");
  const bool keeps = attr_bool(attrs, "keepdims");
  Shape out;
  for (int each = 0; each < shape.rank; ++each)
    if (each != axis || keeps) out[out.rank++] = each == axis ? 1 : shape[each];
  return {out};
}

}  // namespace q
