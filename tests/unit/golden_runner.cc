#include "golden_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string_view>

#include "golden_net.h"
#include "golden_rules.h"
#include "q/quant.h"

namespace q {

using nlohmann::json;

// ---- comparing ----

std::vector<double> values_of(const Tensor& tensor) {
  const size_t count = static_cast<size_t>(elements(tensor.type.shape));
  const float* narrow = tensor.as<float>();
  const double* wide = tensor.as<double>();
  if (tensor.type.dtype == DType::kF32) return {narrow, narrow + count};
  if (tensor.type.dtype == DType::kF64) return {wide, wide + count};
  const std::vector<int64_t> integers = integers_of(tensor);
  return {integers.begin(), integers.end()};
}

void compare(const GoldenCase& c, const std::string& name, const std::vector<double>& actual, Tally& tally) {
  const Tensor& tensor = c.expected.at(name);
  const std::vector<double> expected = values_of(tensor);
  ASSERT_EQ(actual.size(), expected.size()) << name;
  const GoldenTolerance& t = c.tolerance;
  const bool integers = is_integer(tensor.type.dtype);
  const bool optional = c.params.value("optional", false);  // follows an algorithm that PyTorch has given up
  size_t beyond = 0, worst = 0;
  double greatest = -1;
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool both_nan = std::isnan(actual[i]) && std::isnan(expected[i]);
    if (actual[i] == expected[i] || both_nan) continue;
    ++tally.different;
    if (optional) continue;
    const double distance = std::abs(actual[i] - expected[i]);
    const double allowed = t.absolute + t.relative * std::abs(expected[i]);
    if (integers || t.limit >= 0) {
      EXPECT_LE(distance, integers ? static_cast<double>(t.units) : t.limit)
          << name << "[" << i << "] is " << actual[i] << ", torch's " << expected[i];
    }
    beyond += integers || !(distance <= allowed);
    if (!(distance - allowed <= greatest)) worst = i, greatest = distance - allowed;
  }
  tally.elements += expected.size();
  EXPECT_LE(static_cast<double>(beyond),
            std::max(static_cast<double>(t.count), t.share * static_cast<double>(expected.size())))
      << "elements of " << name << " differ; [" << worst << "] is " << actual[worst] << ", torch's "
      << expected[worst];
}

void compare(const GoldenCase& c, const std::string& name, const Tensor& actual, Tally& tally) {
  EXPECT_EQ(actual.type.shape, c.expected.at(name).type.shape) << name;
  compare(c, name, values_of(actual), tally);
}

// ---- parameters ----

Ints ints_of(const json& value) { return value.is_number() ? Ints{value.get<int64_t>()} : value.get<Ints>(); }

namespace {

struct Renamed {
  std::string_view theirs, ours;
};
constexpr Renamed kNames[] = {
    {"dim", "axis"},
    {"dim", "axes"},
    {"keepdim", "keepdims"},
    {"eps", "epsilon"},
    {"value", "scalar"},
    {"negative_slope", "alpha"},
    {"min_val", "min"},
    {"max_val", "max"},
    {"kernel", "kernel_shape"},
    {"stride", "strides"},
    {"groups", "group"},
    {"dilation", "dilations"},
    {"upscale_factor", "blocksize"},
};
// Parameters that change nothing, and those of the outputs' types.
constexpr std::string_view kSilent[] = {
    "dtype", "engine", "memory_format", "note", "optional", "out_scale", "out_zero_point", "sorted",
};

const AttrSpec* find_attr(const OpDef& op, std::string_view name) {
  const auto found = std::ranges::find(op.attrs, name, &AttrSpec::name);
  return found == op.attrs.end() ? nullptr : &*found;
}

const AttrSpec* attr_for(const OpDef& op, std::string_view parameter) {
  if (const AttrSpec* same = find_attr(op, parameter)) return same;
  for (const auto& [theirs, ours] : kNames)
    if (const AttrSpec* attr = theirs == parameter ? find_attr(op, ours) : nullptr) return attr;
  return nullptr;
}

Attr attr_of(const json& value, AttrKind kind) {
  switch (kind) {
    case AttrKind::kInt:
      return value.is_boolean() ? int64_t{value.get<bool>()} : value.get<int64_t>();
    case AttrKind::kFloat:
      return value.get<double>();
    case AttrKind::kString:
      return value.get<std::string>();
    case AttrKind::kInts:
      return ints_of(value);
    case AttrKind::kFloats:
      break;
  }
  return value.is_number() ? Floats{value.get<double>()} : value.get<Floats>();
}

}  // namespace

Attrs attrs_of(const json& params, const std::string& op, std::initializer_list<std::string_view> except) {
  Attrs attrs;
  for (const auto& [name, value] : params.items()) {
    const auto is_name = [&name = name](std::string_view each) { return each == name; };
    if (value.is_null() || std::ranges::any_of(except, is_name)) continue;
    if (const AttrSpec* attr = attr_for(*find_op(op), name))
      attrs.emplace(attr->name, attr_of(value, attr->kind));
    else
      EXPECT_TRUE(std::ranges::any_of(kSilent, is_name)) << op << " has nothing for " << name;
  }
  return attrs;
}

// ---- running ----

namespace {

// Inputs in the order in which operators take them; those called otherwise come first, by name.
std::vector<std::string> input_names(const GoldenCase& c) {
  constexpr std::string_view kOrder[] = {
      "condition", "indices", "x", "a", "b", "weight", "bias", "mean", "var", "per_sample_weights",
  };
  std::vector<std::string> names;
  for (const auto& [name, tensor] : c.inputs) names.push_back(name);
  std::ranges::stable_sort(names, {}, [&](const std::string& name) {
    const auto found = std::ranges::find(kOrder, name);
    return found == std::end(kOrder) ? -1 : found - std::begin(kOrder);
  });
  return names;
}

TensorType as_float(const TensorType& type) { return {DType::kF32, type.shape, {}}; }

// Of what is computed: floats, or integers with parameters. Truth values in the quantized form are 0 and 1.
TensorType computed_type(const TensorType& expected, bool quantized) {
  if (!quantized) return as_float(expected);
  if (expected.dtype != DType::kBool) return expected;
  return {DType::kU8, expected.shape, QParams{.scales = {1}, .zero_points = {0}}};
}

ValueId operand(Net& net, const OpDef& op, size_t index, const Tensor& tensor, bool quantized) {
  const bool floats = tensor.type.qparams && (!quantized || is_parameter(op, index));
  if (is_parameter(op, index)) return net.constant(floats ? dequantize(tensor.view()) : tensor);
  const ValueId id = net.input(tensor);
  return floats ? net.node("dequantize", {id}, {}, as_float(tensor.type)) : id;
}

}  // namespace

std::vector<Tensor> results_of(const GoldenCase& c, const std::string& op, const Attrs& attrs,
                               std::initializer_list<std::string_view> outputs) {
  const OpDef& def = *find_op(op);
  const std::vector<std::string> names = input_names(c);
  const auto is_quantized = [&](const std::string& name) {
    return c.inputs.at(name).type.qparams.has_value();
  };
  const bool quantized = has_integer_form(def) && std::ranges::any_of(names, is_quantized);
  Net net;
  std::vector<ValueId> operands;
  for (size_t i = 0; i < names.size(); ++i)
    operands.push_back(operand(net, def, i, c.inputs.at(names[i]), quantized));

  std::vector<TensorType> types;
  const auto expected_type = [&](size_t i) {
    const auto expected = c.expected.find(outputs.begin()[i]);
    return expected == c.expected.end() ? TensorType{} : expected->second.type;
  };
  for (size_t i = 0; i < outputs.size(); ++i)
    types.push_back(computed_type(expected_type(i), quantized && static_cast<int>(i) < def.reals_from));
  std::vector<ValueId> ids = net.node(op, operands, attrs, types);
  for (size_t i = 0; i < ids.size() && !quantized; ++i)
    if (expected_type(i).qparams) ids[i] = net.node("quantize", {ids[i]}, {}, expected_type(i));
  return net.run(ids);
}

Tensor result_of(const GoldenCase& c, const std::string& op, const Attrs& attrs) {
  return results_of(c, op, attrs, {"y"})[0];
}

void test_plain(const GoldenCase& c, const std::string& op, Tally& tally) {
  compare(c, "y", result_of(c, op, attrs_of(c.params, op)), tally);
}

void test_clamped(const GoldenCase& c, const std::string& op, Tally& tally) {
  Attrs attrs = attrs_of(c.params, op);
  attrs.emplace("min", 0.0);
  compare(c, "y", result_of(c, op, attrs), tally);
}

void PrintTo(const Runner& runner, std::ostream* out) { *out << runner.name; }

}  // namespace q
