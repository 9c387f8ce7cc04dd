// From nodes of ONNX to operators of the registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "q/op.h"

namespace q {

// True when an operator may stand for this ONNX type at this opset.
bool has_operator(std::string_view type, int64_t opset);

struct MappedNode {
  const OpDef* op;
  OnnxNode node;  // as the operator wants it: complete attributes, and only the inputs it takes
};

// The node as one of our operators; nothing when none takes it. Throws, without place, when one does but
// cannot express it.
std::optional<MappedNode> map_node(const OnnxNode& node);

}  // namespace q
