#include "golden_case.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "base/text.h"
#include "io/h5_attribute.h"
#include "io/h5_dataset.h"

namespace q {

namespace {

namespace fs = std::filesystem;

DType stored_as(const std::string& quantized_type) {
  if (quantized_type == "quint8") return DType::kU8;
  if (quantized_type == "qint8") return DType::kI8;
  if (quantized_type == "qint32") return DType::kI32;
  throw std::runtime_error(text("a tensor is ", quantized_type, ", wanted quint8, qint8 or qint32"));
}

QParams read_qparams(const h5::Object& dataset, DType dtype) {
  QParams out;
  out.quant_min = static_cast<int32_t>(lowest(dtype));
  out.quant_max = static_cast<int32_t>(highest(dtype));
  const bool per_tensor = h5::read_string(dataset, "qscheme") == "per_tensor_affine";
  Ints zero_points;
  if (per_tensor) {
    out.scales = h5::read_numbers(dataset, "scale");
    zero_points = h5::read_ints(dataset, "zero_point");
  } else {
    out.scheme = QScheme::kPerChannelAffine;
    out.axis = static_cast<int>(h5::read_int(dataset, "axis"));
    out.scales = h5::read_numbers(dataset, "scales");
    zero_points = h5::read_ints(dataset, "zero_points");
  }
  for (int64_t zero_point : zero_points) out.zero_points.push_back(static_cast<int32_t>(zero_point));
  return out;
}

Tensor read_tensor(const h5::Object& dataset) {
  const h5::DatasetInfo info = h5::describe(dataset);
  if (!info.dtype) h5::refuse(dataset, text("holds ", info.holds, ", wanted a tensor"));
  TensorType type{*info.dtype, make_shape(info.extents), {}};
  if (h5::has_attribute(dataset, "qdtype")) {
    type.dtype = stored_as(h5::read_string(dataset, "qdtype"));
    type.qparams = read_qparams(dataset, type.dtype);
  }
  Tensor out = make_tensor(type);
  h5::read_all(dataset, type.dtype, out.data.get());
  return out;
}

std::map<std::string, Tensor, std::less<>> read_tensors(const h5::Object& group) {
  std::map<std::string, Tensor, std::less<>> out;
  for (const h5::Link& link : h5::children(group))
    out.emplace(link.name, read_tensor(h5::open_dataset(group, link)));
  return out;
}

int64_t int_or(const h5::Object& group, const char* name, int64_t usual) {
  return h5::has_attribute(group, name) ? h5::read_int(group, name) : usual;
}

double number_or(const h5::Object& group, const char* name, double usual) {
  return h5::has_attribute(group, name) ? h5::read_number(group, name) : usual;
}

GoldenTolerance read_tolerance(const h5::Object& group) {
  const GoldenTolerance usual;
  return {.units = int_or(group, "atol_lsb", usual.units),
          .share = number_or(group, "max_mismatch_frac", usual.share),
          .count = int_or(group, "mismatch_floor", usual.count),
          .relative = number_or(group, "rtol", usual.relative),
          .absolute = number_or(group, "atol", usual.absolute),
          .limit = number_or(group, "hard_atol", usual.limit)};
}

}  // namespace

GoldenSet::GoldenSet(const std::string& folder) {
  if (!fs::is_directory(folder)) return;
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".h5") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string shown = fs::relative(file, folder);
    const h5::Object root = h5::open_file(file, shown);
    for (const h5::Link& link : h5::children(root))
      places_[h5::read_string(h5::open_group(root, link), "op")].push_back({file, shown, link.name});
  }
}

std::map<std::string, size_t, std::less<>> GoldenSet::counts() const {
  std::map<std::string, size_t, std::less<>> out;
  for (const auto& [op, places] : places_) out.emplace(op, places.size());
  return out;
}

std::vector<GoldenCase> GoldenSet::read(std::string_view op) const {
  std::vector<GoldenCase> out;
  const auto found = places_.find(op);
  if (found == places_.end()) return out;
  h5::Object root;
  for (const Place& place : found->second) {
    if (root.file != place.shown) root = h5::open_file(place.file, place.shown);
    const h5::Object group = h5::open_group(root, place.group);
    out.push_back({.name = h5::place_of(group),
                   .op = found->first,
                   .engine = h5::has_attribute(group, "engine") ? h5::read_string(group, "engine") : "any",
                   .params = nlohmann::json::parse(h5::read_string(group, "params")),
                   .tolerance = read_tolerance(group),
                   .inputs = read_tensors(h5::open_group(group, "inputs")),
                   .expected = read_tensors(h5::open_group(group, "expected"))});
  }
  return out;
}

}  // namespace q
