// Operators on each element, or on pairs of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "golden_rules.h"
#include "golden_runner.h"
#include "q/quant.h"

namespace q {
namespace {

// ---- a tensor and a number ----

// D(q) + number in steps of the output's scale, and so rounded, clamped below at 0 where relu says so.
struct Sum {
  const QParams &from, &to;
  float number;
  bool relu;

  double steps(int64_t q) const {
    const double real = from.scales[0] * static_cast<double>(q - from.zero_points[0]);
    return (real + double{number}) / to.scales[0];
  }
  int64_t rounded(int64_t q) const {
    const float real = static_cast<float>(from.scales[0]) * static_cast<float>(q - from.zero_points[0]);
    const float t = (real + number) * (1.0f / static_cast<float>(to.scales[0]));
    const int64_t zero = to.zero_points[0], result = static_cast<int64_t>(std::rint(t)) + zero;
    return std::clamp<int64_t>(result, relu ? zero : to.quant_min, to.quant_max);
  }
};

// Integers are those of PyTorch; where the sum lies in the middle between two they may differ by one, since
// PyTorch multiplies q and rounds once where Q(D(q) + number) rounds three times.
void compare_sums(const GoldenCase& c, const Sum& sum, const Tensor& actual, Tally& tally) {
  const std::vector<int64_t> q = integers_of(c.inputs.at("a")), ours = integers_of(actual),
                             theirs = integers_of(c.expected.at("y"));
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < q.size(); ++i) {
    if (ours[i] == theirs[i]) continue;
    ++tally.different;
    const double steps = sum.steps(q[i]), from_middle = std::abs(steps - std::floor(steps) - 0.5);
    EXPECT_TRUE(std::abs(ours[i] - theirs[i]) == 1 && from_middle <= std::abs(steps) * 0x1p-21)
        << "[" << i << "] is " << ours[i] << ", torch's " << theirs[i] << ", the sum " << steps << " steps";
  }
  tally.elements += q.size();
}

// PyTorch rounds the number to a multiple of the tensor's scale, ours does not. So ours is the rule for any
// number, and PyTorch's answer for the one that it adds.
void test_add_scalar(const GoldenCase& c, const std::string& op, Tally& tally, bool relu) {
  const Tensor& a = c.inputs.at("a");
  const QParams &from = *a.type.qparams, &to = *c.expected.at("y").type.qparams;
  const double value = c.params.at("value");
  for (const bool as_theirs : {false, true}) {
    const double number = as_theirs ? std::rint(value / from.scales[0]) * from.scales[0] : value;
    Attrs attrs = relu ? Attrs{{"min", 0.0}} : Attrs{};
    attrs.emplace("scalar", number);
    const Tensor actual = result_of(c, op, attrs);
    const Sum sum{from, to, static_cast<float>(number), relu};
    std::vector<int64_t> by_rule;
    for (int64_t q : integers_of(a)) by_rule.push_back(sum.rounded(q));
    EXPECT_EQ(integers_of(actual), by_rule);
    if (as_theirs) compare_sums(c, sum, actual, tally);
  }
}

// A number that is one step of its own scale.
Tensor quantized_number(float number) {
  const double scale = number == 0 ? 1 : std::abs(double{number});
  const TensorType type{DType::kU8, {}, QParams{.scales = {scale}, .zero_points = {1}}};
  Tensor out = make_tensor(type);
  *out.as<uint8_t>() = number == 0 ? 1 : number < 0 ? 0 : 2;
  return out;
}

// The comparison of a tensor with a number, which operators take as a tensor.
void test_with_number(const GoldenCase& c, const std::string& op, Tally& tally) {
  GoldenCase with_tensor = c;
  with_tensor.inputs.emplace("b", quantized_number(c.params.at("value").get<float>()));
  with_tensor.params.erase("value");
  test_plain(with_tensor, op, tally);
}

// ---- slopes ----

// PyTorch multiplies what is above 0 by 1 in the slope's integers, to which it may not even belong: there
// ours is the input, rounded to the output's parameters.
void test_quantized_prelu(const GoldenCase& c, const std::string& op, Tally& tally) {
  const Tensor &x = c.inputs.at("x"), &y = c.expected.at("y");
  const Tensor copied = quantize(dequantize(x.view()).view(), y.type.dtype, *y.type.qparams);
  GoldenCase below = c;
  Tensor& expected = below.expected.at("y") = make_tensor(y.type);
  const std::vector<int64_t> q = integers_of(x);
  for (size_t i = 0; i < q.size(); ++i)
    expected.as<uint8_t>()[i] = (q[i] > x.type.qparams->zero_points[0] ? copied : y).as<uint8_t>()[i];
  test_plain(below, op, tally);
}

constexpr Runner kRunners[] = {
    {"add", "add", test_plain},
    {"add_relu", "add", test_clamped},
    {"mul", "mul", test_plain},
    {"mul_relu", "mul", test_clamped},
    {"add_scalar", "add_scalar",
     [](auto& c, auto& op, auto& tally) { test_add_scalar(c, op, tally, false); }},
    {"add_scalar_relu", "add_scalar",
     [](auto& c, auto& op, auto& tally) { test_add_scalar(c, op, tally, true); }},
    {"mul_scalar", "mul_scalar", test_plain},
    {"mul_scalar_relu", "mul_scalar", test_clamped},
    {"relu", "relu", test_plain},
    {"relu6", "relu6", test_plain},
    {"clamp", "clamp", test_plain},
    {"hardtanh", "clamp", test_plain},
    {"hardsigmoid", "hardsigmoid", test_plain},
    {"hardswish", "hardswish", test_plain},
    {"sigmoid", "sigmoid", test_plain},
    {"sigmoid_qparams", "sigmoid", test_plain},
    {"tanh", "tanh", test_plain},
    {"elu", "elu", test_plain},
    {"celu", "celu", test_plain},
    {"leaky_relu", "leaky_relu", test_plain},
    {"threshold", "threshold", test_plain},
    {"prelu", "prelu", test_quantized_prelu},
    {"eq", "eq", test_plain},
    {"eq_scalar", "eq", test_with_number},
    {"ne", "ne", test_plain},
    {"ne_scalar", "ne", test_with_number},
    {"lt", "lt", test_plain},
    {"lt_scalar", "lt", test_with_number},
    {"le", "le", test_plain},
    {"le_scalar", "le", test_with_number},
    {"gt", "gt", test_plain},
    {"gt_scalar", "gt", test_with_number},
    {"ge", "ge", test_plain},
    {"ge_scalar", "ge", test_with_number},
    {"float_relu", "relu", test_plain},
    {"float_relu6", "relu6", test_plain},
    {"float_hardsigmoid", "hardsigmoid", test_plain},
    {"float_hardswish", "hardswish", test_plain},
    {"float_sigmoid", "sigmoid", test_plain},
    {"float_tanh", "tanh", test_plain},
    {"float_neg", "neg", test_plain},
    {"float_abs", "abs", test_plain},
    {"float_exp", "exp", test_plain},
    {"float_log", "log", test_plain},
    {"float_sqrt", "sqrt", test_plain},
    {"float_rsqrt", "rsqrt", test_plain},
    {"float_reciprocal", "reciprocal", test_plain},
    {"float_sin", "sin", test_plain},
    {"float_cos", "cos", test_plain},
    {"float_atan", "atan", test_plain},
    {"float_erf", "erf", test_plain},
    {"float_selu", "selu", test_plain},
    {"float_silu", "silu", test_plain},
    {"float_gelu", "gelu", test_plain},
    {"float_softplus", "softplus", test_plain},
    {"float_elu", "elu", test_plain},
    {"float_celu", "celu", test_plain},
    {"float_leaky_relu", "leaky_relu", test_plain},
    {"float_threshold", "threshold", test_plain},
    {"float_prelu", "prelu", test_plain},
    {"float_maximum", "maximum", test_plain},
    {"float_minimum", "minimum", test_plain},
    {"float_pow", "pow", test_plain},
    {"float_atan2", "atan2", test_plain},
    {"float_where", "where", test_plain},
};

}  // namespace

std::span<const Runner> elementwise_runners() { return kRunners; }

}  // namespace q
