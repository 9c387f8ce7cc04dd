#include "ops/shared/lines.h"

#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"

namespace q {

int line_axis(const Attrs& attrs, const Shape& shape) {
  return normalize_axis(attr_int(attrs, "axis"), shape.rank, "attribute axis");
}

Lines lines_of(const CompileCall& call) {
  const Shape& shape = call.in[0].shape;
  const int axis = line_axis(call.attrs, shape);
  return {product(shape, 0, axis), shape[axis], product(shape, axis + 1, shape.rank)};
}

std::vector<Shape> infer_along_axis(const Attrs& attrs, std::span<const TensorType> in) {
  line_axis(attrs, in[0].shape);
  return {in[0].shape};
}

void samples_beside_axis(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  const int axis = line_axis(attrs, in[0].shape);
  if (axis == free_axis(in[0].shape)) throw mixes_samples(text("results along axis ", axis));
}

bool attr_bool(const Attrs& attrs, std::string_view name) {
  const int64_t value = attr_int(attrs, name);
  if (value != 0 && value != 1)
    throw Error(ErrorKind::kInvalid, text("attribute ", name, " is ", value, ", wanted 0 or 1"));
  return value == 1;
}

}  // namespace q
