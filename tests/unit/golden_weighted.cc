// Convolutions, transposed and not, and linear; batch normalizations folded into them.
#include <gtest/gtest.h>

#include "golden_net.h"
#include "golden_rules.h"
#include "golden_runner.h"
#include "golden_window.h"
#include "q/pass.h"
#include "q/quant.h"

namespace q {
namespace {

// "conv2d_nobias" is a conv2d, "convt2d" a conv_transpose2d.
std::string operator_of(const std::string& kind) {
  const std::string op = kind.substr(0, kind.find('_'));
  return op.starts_with("convt") ? "conv_transpose" + op.substr(5) : op;
}

void test_fold(const GoldenCase& c, const std::string&, Tally& tally) {
  const std::string op = operator_of(c.params.at("kind"));
  if (find_op(op) == nullptr) {
    ++tally.without_operator;
    return;
  }
  const Tensor& weight = c.inputs.at("weight");
  const auto parameter = [&](const char* name) { return c.inputs.at(name); };
  Shape image = weight.type.shape;  // one that the kernel covers
  if (c.params.at("transpose")) image[1] = image[0];
  image[0] = 1;

  Net net;
  std::vector<ValueId> inputs = {net.input(make_tensor(DType::kF32, image)), net.constant(weight)};
  if (c.inputs.contains("bias")) inputs.push_back(net.constant(parameter("bias")));
  const ValueId before = net.node(op, inputs, {}, weight.type);
  const ValueId normalized =
      net.node("batch_norm",
               {before, net.constant(parameter("bn_weight")), net.constant(parameter("bn_bias")),
                net.constant(parameter("bn_mean")), net.constant(parameter("bn_var"))},
               {{"epsilon", c.params.at("eps").get<double>()}}, weight.type);
  Changes changes;
  const Graph folded = run_pass("fold_batch_norm", net.graph({normalized}), {}, changes);
  ASSERT_EQ(folded.nodes.size(), 1u) << "nodes are left of " << op << " and batch_norm";
  const auto operand = [&](size_t index) {
    return folded.values[static_cast<size_t>(folded.nodes[0].inputs.at(index))].constant();
  };
  compare(c, "weight", operand(1), tally);
  compare(c, "bias", operand(2), tally);
}

// u8 activations as the i8 ones that mean the same, and back.
TensorType with_other_sign(const TensorType& type) {
  TensorType out = type;
  const int32_t shift = type.dtype == DType::kU8 ? -128 : 128;
  out.dtype = type.dtype == DType::kU8 ? DType::kI8 : DType::kU8;
  out.qparams->quant_min += shift;
  out.qparams->quant_max += shift;
  for (int32_t& zero_point : out.qparams->zero_points) zero_point += shift;
  return out;
}

Tensor with_other_sign(const Tensor& tensor) {
  Tensor out = make_tensor(with_other_sign(tensor.type));
  for (int64_t i = 0; i < elements(tensor.type.shape); ++i)
    out.as<uint8_t>()[i] = tensor.as<uint8_t>()[i] ^ 0x80;
  return out;
}

Tensor weighted_result(const GoldenCase& c, const std::string& op, const Attrs& attrs, const Tensor& x,
                       const TensorType& out) {
  const Tensor& weight = c.inputs.at("weight");
  Net net;
  std::vector<ValueId> inputs = {net.input(x), net.constant(weight)};
  if (c.inputs.contains("bias")) {
    const Tensor& bias = c.inputs.at("bias");
    int64_t saturated = 0;
    inputs.push_back(net.constant(
        out.qparams ? quantize_bias(bias.view(), x.type.qparams->scales[0], *weight.type.qparams, &saturated)
                    : bias));
  }
  return net.run(net.node(op, inputs, attrs, out));
}

void test_weighted(const GoldenCase& c, const std::string& op, Tally& tally) {
  const Tensor &x = c.inputs.at("x"), &y = c.expected.at("y");
  const bool relu = c.params.at("relu");
  Attrs attrs = window_attrs(c.params, op);
  if (relu) attrs.emplace("min", 0.0);
  const Tensor actual = weighted_result(c, op, attrs, x, y.type);
  compare(c, "y", actual, tally);
  if (!y.type.qparams) return;

  // whatever the engine's rounding was, ours is exactly the rule
  const Tensor& weight = c.inputs.at("weight");
  GoldenWindow window = window_of(c.params);
  for (int axis = 2; axis < weight.type.shape.rank; ++axis)
    window.kernel[static_cast<size_t>(axis + 3 - weight.type.shape.rank)] = weight.type.shape[axis];
  const Tensor* bias = c.inputs.contains("bias") ? &c.inputs.at("bias") : nullptr;
  EXPECT_EQ(integers_of(actual),
            weighted_by_rule(x, weight, bias, window, c.params.value("groups", 1), relu, y.type));
  // and the same for the type of activations that torch's engines do not take
  const Tensor other = weighted_result(c, op, attrs, with_other_sign(x), with_other_sign(y.type));
  EXPECT_EQ(integers_of(with_other_sign(other)), integers_of(actual));
}

constexpr Runner kRunners[] = {
    {"fold_bn", "batch_norm", test_fold},
    {"linear", "linear", test_weighted},
    {"conv1d", "conv1d", test_weighted},
    {"conv2d", "conv2d", test_weighted},
    {"conv3d", "conv3d", test_weighted},
    {"conv_transpose1d", "conv_transpose1d", test_weighted},
    {"conv_transpose2d", "conv_transpose2d", test_weighted},
    {"conv_transpose3d", "conv_transpose3d", test_weighted},
    {"matmul", "matmul", test_plain},
    {"float_linear", "linear", test_weighted},
    {"float_conv1d", "conv1d", test_weighted},
    {"float_conv2d", "conv2d", test_weighted},
    {"float_conv3d", "conv3d", test_weighted},
    {"float_conv_transpose1d", "conv_transpose1d", test_weighted},
    {"float_conv_transpose2d", "conv_transpose2d", test_weighted},
    {"float_conv_transpose3d", "conv_transpose3d", test_weighted},
    {"float_matmul", "matmul", test_plain},
};

}  // namespace

std::span<const Runner> weighted_runners() { return kRunners; }

}  // namespace q
