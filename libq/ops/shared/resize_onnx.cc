#include <algorithm>
#include <string>

#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/resize.h"
#include "ops/shared/weights.h"

namespace q {

namespace {

// The numbers of an attribute, or of an input, which may be there without any.
Floats take_scales(OnnxNode& node, size_t input) {
  if (node.attrs.contains("scales")) return take_attr<Floats>(node.attrs, "scales", {});
  if (!has_input(node, input)) return {};
  const Tensor& scales = onnx_constant(node, input, "scales");
  return {scales.as<float>(), scales.as<float>() + elements(scales.type.shape)};
}

// Entries of the listed axes, for all of them; where none is listed, `kept`.
template <typename T>
std::vector<T> of_all_axes(const std::vector<T>& list, const Ints& axes, std::vector<T> kept) {
  if (list.empty()) return {};
  if (list.size() != axes.size())
    throw Error(ErrorKind::kInvalid, text(list.size(), " sizes or scales, wanted ", axes.size()));
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = normalize_axis(axes[i], static_cast<int>(kept.size()), "attribute axes");
    kept[static_cast<size_t>(axis)] = list[i];
  }
  return kept;
}

// The entries of the spatial axes. Throws unless is_kept(axis, entry) for samples and channels before them.
template <typename T, typename IsKept>
std::vector<T> spatial(const std::vector<T>& list, const IsKept& is_kept) {
  if (list.empty()) return {};
  for (int axis = 0; axis < 2; ++axis)
    if (!is_kept(axis, list[static_cast<size_t>(axis)]))
      throw Error(ErrorKind::kUnsupported,
                  text("resizes axis ", axis, ", wanted only the axes from the third on"));
  return {list.begin() + 2, list.end()};
}

void refuse_other_forms(OnnxNode& node, const Floats& scales, const Ints& sizes, const Ints& extents) {
  const std::string policy =
      take_attr<std::string>(node.attrs, "keep_aspect_ratio_policy", std::string("stretch"));
  if (policy != "stretch")
    throw Error(ErrorKind::kUnsupported, text("keep_aspect_ratio_policy is ", policy, ", wanted stretch"));
  const auto transform = node.attrs.find("coordinate_transformation_mode");
  if (transform != node.attrs.end() && transform->second == Attr(std::string("tf_crop_and_resize")))
    throw Error(ErrorKind::kUnsupported, "coordinate_transformation_mode is tf_crop_and_resize");
  take_attr<double>(node.attrs, "extrapolation_value", 0);  // only of that mode
  if (take_attr<int64_t>(node.attrs, "antialias", 0) == 0) return;
  bool shrinks = std::ranges::any_of(scales, [](double scale) { return scale < 1; });
  for (size_t axis = 0; axis < sizes.size(); ++axis) shrinks = shrinks || sizes[axis] < extents[axis + 2];
  if (shrinks) throw Error(ErrorKind::kUnsupported, "antialias is 1 where an image shrinks, wanted 0");
}

}  // namespace

bool map_resize(OnnxNode& node) {
  const Shape& in = node.inputs.at(0).type.shape;
  if (in.rank < 3 || in.rank > 5)
    throw Error(ErrorKind::kUnsupported,
                text("input is ", to_string(in), ", wanted [N,C,...] of rank 3 to 5"));
  const bool is_old = node.opset < 11;
  const Ints extents(in.extents().begin(), in.extents().end());
  Ints all;
  for (int axis = 0; axis < in.rank; ++axis) all.push_back(axis);
  const Ints axes = take_attr<Ints>(node.attrs, "axes", all);
  const Floats scales = spatial(of_all_axes(take_scales(node, is_old ? 1 : 2), axes, Floats(all.size(), 1)),
                                [](int, double scale) { return scale == 1; });
  const Ints given = !is_old && has_input(node, 3) ? take_ints_input(node, 3, "sizes") : Ints{};
  const Ints sizes = spatial(of_all_axes(given, axes, extents), [&](int axis, int64_t size) {
    return size == in[axis] || (is_free(in[axis]) && counts_all_samples(node, size, in[axis]));
  });
  refuse_other_forms(node, scales, sizes, extents);
  drop_inputs(node, 1);
  node.attrs.insert_or_assign("scales", scales);
  node.attrs.insert_or_assign("sizes", sizes);
  if (is_old) {  // which said less; so later opsets put what it meant
    node.attrs.insert_or_assign("coordinate_transformation_mode", std::string("asymmetric"));
    node.attrs.insert_or_assign("nearest_mode", std::string("floor"));
  }
  return true;
}

}  // namespace q
