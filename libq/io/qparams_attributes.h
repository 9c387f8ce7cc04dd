// Quantization parameters as attributes of a group or dataset: scheme axis quant_min quant_max scale
// zero_point.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "io/h5_attribute.h"
#include "q/tensor.h"

namespace q {

inline constexpr std::string_view kQParamsAttributes[] = {"scheme",    "axis",  "quant_min",
                                                          "quant_max", "scale", "zero_point"};

void write_qparams(const h5::Object& object, const QParams& qparams);
// Nothing when there is no attribute `scheme`. Limits that are left out are those of `dtype`. Only the form
// is checked.
std::optional<QParams> read_qparams(const h5::Object& object, DType dtype);
// The types of the names in these attributes. Throws when there is none of that name.
QScheme read_scheme(const h5::Object& object);
DType read_dtype(const h5::Object& object);
// The attribute, or `fallback` when there is none.
int32_t read_int32_or(const h5::Object& object, const std::string& name, int32_t fallback);
// Throws when the object has an attribute that is in none of the lists: a misspelt one would be ignored.
void refuse_other_attributes(const h5::Object& object, std::span<const std::string_view> known,
                             std::span<const std::string_view> more = {});

}  // namespace q
