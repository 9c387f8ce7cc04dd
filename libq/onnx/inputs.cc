#include "onnx/inputs.h"

#include <algorithm>

#include "base/text.h"

namespace q {

namespace {

[[noreturn]] void refuse(const OnnxModel::Input& input, const std::string& what) {
  throw Error(ErrorKind::kInvalid, text("input ", input.name, ": ", what));
}

// "extent 2 (width)"
std::string extent_words(const OnnxModel::Input& input, int axis) {
  const std::string& name = input.names.at(static_cast<size_t>(axis));
  return text("extent ", axis, name.empty() ? "" : text(" (", name, ")"));
}

void give_shape(OnnxModel::Input& input, const Shape& given) {
  Shape& shape = input.type.shape;
  const auto differs = [&] { refuse(input, text("is ", to_string(shape), ", given ", to_string(given))); };
  if (given.rank != shape.rank) differs();
  for (int axis = 0; axis < shape.rank; ++axis) {
    if (given[axis] != shape[axis] && !is_free(shape[axis])) differs();
    shape[axis] = given[axis];
  }
}

}  // namespace

void give_shapes(OnnxModel& model, const ImportOptions& options) {
  for (const auto& [name, shape] : options.shapes) {
    const auto found = std::ranges::find(model.inputs, name, &OnnxModel::Input::name);
    if (found == model.inputs.end())
      throw Error(ErrorKind::kUsage,
                  text("a shape for ", name, ", wanted an input of the model: ", input_shapes(model)));
    give_shape(*found, shape);
  }
}

bool give_data_extents(OnnxModel& model, const ImportOptions& options, Extents which) {
  if (!options.data) return false;
  for (OnnxModel::Input& input : model.inputs) {
    Shape& shape = input.type.shape;
    const int first = which == Extents::kAll ? 0 : 1;
    if (std::ranges::none_of(shape.extents().subspan(static_cast<size_t>(std::min(first, shape.rank))),
                             is_free))
      continue;
    const Shape found = options.data(input.name, model.inputs.size() == 1);
    const int ahead = found.rank - shape.rank;  // one axis more: each entry is a whole sample
    if (ahead != 0 && ahead != 1)
      refuse(input, text("is ", to_string(shape), ", its data are ", to_string(found)));
    for (int axis = first; axis < shape.rank; ++axis)
      if (is_free(shape[axis])) shape[axis] = found[axis + ahead];
  }
  return true;
}

void check_inner_extents(const OnnxModel& model) {
  for (const OnnxModel::Input& input : model.inputs)
    for (int axis = 1; axis < input.type.shape.rank; ++axis)
      if (is_free(input.type.shape[axis]))
        refuse(input, text(extent_words(input, axis), " is open, wanted a shape or data that give it"));
}

bool states_batch(const OnnxModel& model, const ImportOptions& options) {
  return std::ranges::all_of(model.inputs, [&](const OnnxModel::Input& input) {
    return free_axis(input.type.shape) == 0 || options.shapes.contains(input.name);
  });
}

std::string open_batch(const OnnxModel& model) {
  for (const OnnxModel::Input& input : model.inputs)
    if (free_axis(input.type.shape) == 0) return text("input ", input.name, ": ", extent_words(input, 0));
  return "";
}

std::optional<int64_t> common_batch(const OnnxModel& model) {
  std::optional<int64_t> out;
  for (const OnnxModel::Input& input : model.inputs) {
    const Shape& shape = input.type.shape;
    if (shape.rank == 0) continue;
    if (out && *out != shape[0]) return {};
    out = shape[0];
  }
  return out;
}

void set_first_extents(OnnxModel& model, int64_t extent) {
  for (OnnxModel::Input& input : model.inputs) {
    Shape& shape = input.type.shape;
    if (shape.rank > 0 && (is_free(extent) || is_free(shape[0]))) shape[0] = extent;
  }
}

std::string input_shapes(const OnnxModel& model) {
  std::string out;
  for (const OnnxModel::Input& input : model.inputs)
    out += text(out.empty() ? "" : ", ", input.name, " ", to_string(input.type.shape));
  return out;
}

}  // namespace q
