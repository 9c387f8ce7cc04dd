// A comparison as text, TSV, JSON and as a recipe patch.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "comparison.h"

namespace q {

// value with `digits` after the point; "inf", "-inf", "nan".
std::string fixed(double value, int digits);

std::string as_text(const Comparison& comparison, bool every_tensor);
std::string as_tsv(const Comparison& comparison);
nlohmann::ordered_json as_json(const Comparison& comparison);
// YAML that keeps the `count` nodes with the lowest local SQNR float; a recipe to give after the one in use.
std::string recipe_patch(const Comparison& comparison, int64_t count);

}  // namespace q
