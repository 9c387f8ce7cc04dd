// A comparison as text, TSV, JSON and as a recipe patch.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "comparison.h"

namespace q {

// value with `digits` after the point; "inf", "-inf", "nan".
std::string fixed(double value, int digits);

// JSON over several lines, in ASCII whatever bytes names have.
std::string as_lines(const nlohmann::ordered_json& json);

// A pattern for a rule's name as a YAML scalar in quotes.
std::string yaml_quoted(const std::string& words);

// How many tensors the text shows when not all are wanted.
constexpr size_t kWorstShown = 5;

std::string as_text(const Comparison& comparison, bool every_tensor);
std::string as_tsv(const Comparison& comparison);
nlohmann::ordered_json as_json(const Comparison& comparison);
// YAML with the rules that mend the nodes whose cause is known; a recipe to give after the one in use.
std::string recipe_patch(const Comparison& comparison);

}  // namespace q
