#include "io/qparams_attributes.h"

#include <algorithm>

#include "base/text.h"

namespace q {

void write_qparams(const h5::Object& object, const QParams& qparams) {
  h5::write_attribute(object, "scheme", std::string(name_of(qparams.scheme)));
  h5::write_attribute(object, "axis", int64_t{qparams.axis});
  h5::write_attribute(object, "quant_min", int64_t{qparams.quant_min});
  h5::write_attribute(object, "quant_max", int64_t{qparams.quant_max});
  h5::write_attribute(object, "scale", qparams.scales);
  h5::write_attribute(object, "zero_point", qparams.zero_points);
}

std::optional<QParams> read_qparams(const h5::Object& object, DType dtype) {
  if (!h5::has_attribute(object, "scheme")) return std::nullopt;
  QParams qparams;
  qparams.scheme = read_scheme(object);
  qparams.axis = read_int32_or(object, "axis", 0);
  const bool has_limits = is_integer(dtype) && dtype != DType::kI64;
  qparams.quant_min = has_limits ? read_int32_or(object, "quant_min", static_cast<int32_t>(lowest(dtype)))
                                 : h5::read_int32(object, "quant_min");
  qparams.quant_max = has_limits ? read_int32_or(object, "quant_max", static_cast<int32_t>(highest(dtype)))
                                 : h5::read_int32(object, "quant_max");
  qparams.scales = h5::read_numbers(object, "scale");
  for (int64_t zero_point : h5::read_ints(object, "zero_point")) {
    if (zero_point < INT32_MIN || zero_point > INT32_MAX)
      h5::refuse(object, text("attribute zero_point is ", zero_point, ", wanted 32 bits"));
    qparams.zero_points.push_back(static_cast<int32_t>(zero_point));
  }
  return qparams;
}

QScheme read_scheme(const h5::Object& object) {
  const std::string name = h5::read_string(object, "scheme");
  if (const std::optional<QScheme> scheme = parse_qscheme(name)) return *scheme;
  h5::refuse(object,
             text("attribute scheme is ", name, ", wanted per_tensor_affine or another of q-model(5)"));
}

DType read_dtype(const h5::Object& object) {
  const std::string name = h5::read_string(object, "dtype");
  if (const std::optional<DType> dtype = parse_dtype(name)) return *dtype;
  h5::refuse(object, text("attribute dtype is ", name, ", wanted f32 or another of q-model(5)"));
}

int32_t read_int32_or(const h5::Object& object, const std::string& name, int32_t fallback) {
  return h5::has_attribute(object, name) ? h5::read_int32(object, name) : fallback;
}

void refuse_other_attributes(const h5::Object& object, std::span<const std::string_view> known,
                             std::span<const std::string_view> more) {
  for (const std::string& name : h5::attributes(object))
    if (std::ranges::find(known, name) == known.end() && std::ranges::find(more, name) == more.end())
      h5::refuse(object, text("unknown attribute ", name));
}

}  // namespace q
