// Windows as PyTorch's parameters give them: for the rules of golden_rules.h, and as attributes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "golden_rules.h"
#include "q/op.h"

namespace q {

GoldenWindow window_of(const nlohmann::json& params);
// The operator's attributes; `padding` on both sides.
Attrs window_attrs(const nlohmann::json& params, const std::string& op);

}  // namespace q
