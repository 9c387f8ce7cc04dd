// What libonnx knows of an operator.
#pragma once

#include <onnx/defs/schema.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "q/op.h"

namespace q {

// True for ai.onnx, which has no name either.
inline bool is_onnx_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

// libonnx may know no later opset.
inline constexpr int64_t kLastSchemas = 17;

// The operator of ai.onnx as it is at this opset, or at the last one libonnx knows; null when it knows none.
const onnx::OpSchema* schema_of(const std::string& type, int64_t opset);
// True when input `index` of the operator may be of reals: numbers to compute with, no list of axes or
// extents. True too for operators that libonnx does not know.
bool takes_reals(const std::string& type, int64_t opset, size_t index);
// The input whose type output `index` has, kNone when it has one of its own.
int input_of_same_type(const std::string& type, int64_t opset, size_t index);
// True when output `index` of the operator may be of reals.
bool gives_reals(const std::string& type, int64_t opset, size_t index);

}  // namespace q
