// What the mappings of ONNX nodes share: attributes that become inputs in later opsets, and the reading of
// constants.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "q/op.h"

namespace q {

// Takes the attribute away; `fallback` when it is not there. Throws when it has another type.
template <typename V>
V take_attr(Attrs& attrs, std::string_view name, V fallback) {
  const auto found = attrs.find(name);
  if (found == attrs.end()) return fallback;
  const V* value = std::get_if<V>(&found->second);
  if (value == nullptr)
    throw Error(ErrorKind::kInvalid, text("attribute ", name, " has another type than ONNX gives it"));
  V out = *value;
  attrs.erase(found);
  return out;
}

// True when the node has this input.
bool has_input(const OnnxNode& node, size_t input);
// The integers that input holds, which is then not used. Throws unless it is a constant.
Ints take_ints_input(OnnxNode& node, size_t input, std::string_view what);
// The single float32 that input holds; it stays used. Throws unless it is a constant.
float number_input(const OnnxNode& node, size_t input, std::string_view what);
// The single number that input holds when it is a constant of any type and adds no axis to the first input;
// nothing else.
std::optional<double> lone_number(const OnnxNode& node, size_t input);
// The list an attribute gives, or, in later opsets, an input; empty when neither is there.
Ints take_ints(OnnxNode& node, std::string_view attribute, size_t input);
// True when an extent that the file gives is that of a free one: the same, or what it was in the file.
bool counts_all_samples(const OnnxNode& node, int64_t given, int64_t free_extent);
// No input from this one on is used.
void drop_inputs(OnnxNode& node, size_t first);

// Nothing unless the second input is a constant of powers of two with inverses: those, to multiply with to
// the same bits.
std::optional<Tensor> exact_inverses(const OnnxNode& node);

// What a Cast node makes: reals, which are all float32 here, whole numbers, or truth values.
enum class CastTarget { kReals, kIntegers, kTruth, kOther };
// The target of a Cast node, which is then taken away.
CastTarget take_cast_target(OnnxNode& node);

// The limits of a Clip node, infinite where there are none; a lower one above the upper one is the upper one.
struct ClipLimits {
  double lo, hi;
  bool operator==(const ClipLimits&) const = default;
};
ClipLimits clip_limits(const OnnxNode& node);
// The limits are taken from the node's attributes and inputs.
void drop_clip_limits(OnnxNode& node);

}  // namespace q
