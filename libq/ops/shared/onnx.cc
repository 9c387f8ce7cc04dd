#include "ops/shared/onnx.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/shared/weights.h"

namespace q {

bool has_input(const OnnxNode& node, size_t input) {
  return input < node.inputs.size() && !node.inputs[input].absent;
}

Ints take_ints_input(OnnxNode& node, size_t input, std::string_view what) {
  OnnxNode::Input& found = node.inputs.at(input);
  if (!found.constant) throw Error(ErrorKind::kUnsupported, text(what, " is computed, wanted a constant"));
  const Tensor& list = *found.constant;
  if (list.type.dtype != DType::kI64 && list.type.dtype != DType::kI32)
    throw Error(ErrorKind::kInvalid, text(what, " is ", name_of(list.type.dtype), ", wanted i64"));
  Ints out;
  for (int64_t i = 0; i < elements(list.type.shape); ++i)
    out.push_back(list.type.dtype == DType::kI64 ? list.as<int64_t>()[i] : list.as<int32_t>()[i]);
  found.used = false;
  return out;
}

float number_input(const OnnxNode& node, size_t input, std::string_view what) {
  const Tensor& value = onnx_constant(node, input, what);
  if (elements(value.type.shape) != 1)
    throw Error(ErrorKind::kInvalid, text(what, " is ", to_string(value.type.shape), ", wanted one number"));
  return *value.as<float>();
}

std::optional<double> lone_number(const OnnxNode& node, size_t input) {
  if (!has_input(node, input) || !node.inputs[input].constant) return {};
  const Tensor& value = *node.inputs[input].constant;
  if (elements(value.type.shape) != 1 || value.type.shape.rank > node.inputs[0].type.shape.rank) return {};
  switch (value.type.dtype) {
    case DType::kF32:
      return *value.as<float>();
    case DType::kI64:
      return static_cast<double>(*value.as<int64_t>());
    case DType::kI32:
      return *value.as<int32_t>();
    default:
      return {};
  }
}

Ints take_ints(OnnxNode& node, std::string_view attribute, size_t input) {
  if (node.attrs.contains(attribute)) return take_attr<Ints>(node.attrs, attribute, {});
  return has_input(node, input) ? take_ints_input(node, input, attribute) : Ints{};
}

bool counts_all_samples(const OnnxNode& node, int64_t given, int64_t free_extent) {
  return given == free_extent || (node.batch > 0 && given == -free_extent * node.batch);
}

void drop_inputs(OnnxNode& node, size_t first) {
  for (size_t i = first; i < node.inputs.size(); ++i) node.inputs[i].used = false;
}

std::optional<Tensor> exact_inverses(const OnnxNode& node) {
  if (!node.inputs.at(1).constant) return {};
  const Tensor& divisors = onnx_constant(node, 1, "the divisor");
  Tensor inverses = make_tensor(DType::kF32, divisors.type.shape);
  for (int64_t i = 0; i < elements(divisors.type.shape); ++i) {
    const float divisor = divisors.as<float>()[i], inverse = 1 / divisor;
    int exponent = 0;
    if (std::abs(std::frexp(divisor, &exponent)) != 0.5f || !std::isnormal(inverse)) return {};
    inverses.as<float>()[i] = inverse;
  }
  return inverses;
}

CastTarget take_cast_target(OnnxNode& node) {
  // onnx.TensorProto.DataType: float, float16, double, bfloat16; then those of 8 to 64 bits
  constexpr int64_t kReals[] = {1, 10, 11, 16}, kIntegers[] = {2, 3, 4, 5, 6, 7, 12, 13}, kBool = 9;
  const int64_t to = take_attr<int64_t>(node.attrs, "to", 0);
  take_attr<int64_t>(node.attrs, "saturate", 1);  // of the floats of 8 bits
  if (std::ranges::find(kReals, to) != std::end(kReals)) return CastTarget::kReals;
  if (std::ranges::find(kIntegers, to) != std::end(kIntegers)) return CastTarget::kIntegers;
  return to == kBool ? CastTarget::kTruth : CastTarget::kOther;
}

ClipLimits clip_limits(const OnnxNode& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kGreatest =
      std::numeric_limits<float>::max();  // until opset 10 this is how no limit is written
  Attrs attrs = node.attrs;
  double lo = take_attr<double>(attrs, "min", -kInfinity), hi = take_attr<double>(attrs, "max", kInfinity);
  if (has_input(node, 1)) lo = number_input(node, 1, "min");
  if (has_input(node, 2)) hi = number_input(node, 2, "max");
  if (lo > hi) lo = hi;  // every element becomes max then
  return {lo <= -kGreatest ? -kInfinity : lo, hi >= kGreatest ? kInfinity : hi};
}

void drop_clip_limits(OnnxNode& node) {
  node.attrs.erase("min");
  node.attrs.erase("max");
  drop_inputs(node, 1);
}

}  // namespace q
