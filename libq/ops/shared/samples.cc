#include "ops/shared/samples.h"

#include <algorithm>

#include "base/text.h"
#include "ops/shared/move.h"

namespace q {

Error mixes_samples(const std::string& what) {
  return {ErrorKind::kUnsupported, text("mixes samples: ", what)};
}

void check_one_free(const Shape& shape) {
  if (std::ranges::count_if(shape.extents(), is_free) > 1)
    throw mixes_samples(text("their number is more than one extent of ", to_string(shape)));
}

void check_samples(const OpDef& op, const Attrs& attrs, std::span<const TensorType> in,
                   std::span<const Shape> out) {
  const auto has_samples = [](const TensorType& type) { return free_axis(type.shape) != kNone; };
  if (std::ranges::none_of(in, has_samples)) return;
  for (const TensorType& type : in) check_one_free(type.shape);
  for (const Shape& shape : out) check_one_free(shape);
  if (op.samples == nullptr) throw mixes_samples(text(op.name, " does not say that it keeps them apart"));
  op.samples(attrs, in, out);
  for (const Shape& shape : out)
    if (free_axis(shape) == kNone) throw mixes_samples(text("none of them is left in ", to_string(shape)));
}

void samples_anywhere(const Attrs&, std::span<const TensorType>, std::span<const Shape>) {}

void samples_in_order(const Attrs&, std::span<const TensorType> in, std::span<const Shape> out) {
  const Shape &from = in[0].shape, &to = out[0];
  const int from_axis = free_axis(from), to_axis = free_axis(to);
  if (to_axis == kNone || product(from, 0, from_axis) != product(to, 0, to_axis))
    throw mixes_samples(text(to_string(from), " as ", to_string(to)));
}

void samples_beside_window(const Attrs&, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  const int axis = free_axis(in[0].shape);
  if (axis >= 2) throw mixes_samples(text("a window over axis ", axis));
}

void check_parameters(std::span<const TensorType> in) {
  for (size_t i = 1; i < in.size(); ++i)
    if (free_axis(in[i].shape) != kNone)
      throw mixes_samples(text("input ", i + 1, " is ", to_string(in[i].shape),
                               ", wanted parameters that are the same for all"));
}

}  // namespace q
