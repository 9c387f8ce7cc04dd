// Nodes of ONNX as operators: which one takes a node, with which attributes and inputs, and what is refused.
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "onnx/mapping.h"
#include "q/op.h"

namespace q {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

OnnxNode::Input computed(const Shape& shape) {
  OnnxNode::Input input;
  input.type = {DType::kF32, shape, {}};
  return input;
}

OnnxNode::Input floats(const Shape& shape, const std::vector<float>& values) {
  OnnxNode::Input input = computed(shape);
  input.constant = make_tensor(shape, values);
  return input;
}

OnnxNode::Input integers(const Ints& values) {
  OnnxNode::Input input;
  input.constant = make_tensor(DType::kI64, Shape{std::ssize(values)});
  std::copy(values.begin(), values.end(), input.constant->as<int64_t>());
  input.type = input.constant->type;
  return input;
}

OnnxNode::Input absent() {
  OnnxNode::Input input;
  input.absent = true;
  return input;
}

OnnxNode node(std::string type, int64_t opset, std::vector<OnnxNode::Input> inputs, Attrs attrs = {}) {
  OnnxNode out;
  out.type = std::move(type);
  out.opset = opset;
  out.inputs = std::move(inputs);
  out.attrs = std::move(attrs);
  return out;
}

// "relu", or "none" when no operator takes the node.
std::string op_of(const OnnxNode& node) {
  const std::optional<MappedNode> mapped = map_node(node);
  return mapped ? std::string(mapped->op->name) : "none";
}

MappedNode mapped(const OnnxNode& node) {
  std::optional<MappedNode> out = map_node(node);
  if (!out) throw std::runtime_error("no operator takes " + node.type);
  return *std::move(out);
}

Shape inferred(const MappedNode& mapped) {
  std::vector<TensorType> types;
  for (const OnnxNode::Input& input : mapped.node.inputs) types.push_back(input.type);
  return mapped.op->infer(mapped.node.attrs, types).at(0);
}

std::string refusal(const OnnxNode& node) {
  try {
    const std::optional<MappedNode> mapped = map_node(node);
    return mapped ? "taken by " + std::string(mapped->op->name) : "none";
  } catch (const Error& error) {
    return error.what();
  }
}

const OnnxNode::Input kImage = computed({kFree, 8, 5, 7}), kRow = computed({kFree, 10});

TEST(OnnxClip, IsReluOrRelu6OrClamp) {
  EXPECT_EQ(op_of(node("Clip", 7, {kRow}, {{"min", 0.0}, {"max", 6.0}})), "relu6");
  EXPECT_EQ(op_of(node("Clip", 7, {kRow}, {{"min", 0.0}})), "relu");
  EXPECT_EQ(
      op_of(node("Clip", 7, {kRow}, {{"min", 0.0}, {"max", double{std::numeric_limits<float>::max()}}})),
      "relu");
  EXPECT_EQ(op_of(node("Clip", 13, {kRow, floats({}, {0}), floats({}, {6})})), "relu6");
  EXPECT_EQ(op_of(node("Clip", 13, {kRow, floats({}, {0})})), "relu");
  const MappedNode upper = mapped(node("Clip", 13, {kRow, absent(), floats({1}, {2.5f})}));
  EXPECT_EQ(upper.op->name, "clamp");
  EXPECT_EQ(attr_float(upper.node.attrs, "min"), -kInf);
  EXPECT_EQ(attr_float(upper.node.attrs, "max"), 2.5);
  EXPECT_EQ(upper.node.inputs.size(), 1u);
  for (const float min : {3.f, std::numeric_limits<float>::max()}) {  // above max: all elements become max
    const MappedNode crossed = mapped(node("Clip", 13, {kRow, floats({}, {min}), floats({}, {2})}));
    EXPECT_EQ(crossed.op->name, "clamp");
    EXPECT_EQ(attr_float(crossed.node.attrs, "min"), 2);
    EXPECT_EQ(attr_float(crossed.node.attrs, "max"), 2);
  }
  EXPECT_EQ(op_of(node("Clip", 7, {kRow}, {{"min", 7.0}, {"max", 6.0}})), "clamp");
  EXPECT_EQ(refusal(node("Clip", 13, {kRow, computed({})})), "min is computed, wanted a constant");
}

TEST(OnnxActivations, KeepTheirMeaning) {
  for (const auto& [type, op] : {std::pair("Relu", "relu"),
                                 {"Sigmoid", "sigmoid"},
                                 {"Tanh", "tanh"},
                                 {"HardSwish", "hardswish"},
                                 {"Identity", "identity"}})
    EXPECT_EQ(op_of(node(type, 14, {kRow})), op);
  EXPECT_EQ(op_of(node("HardSwish", 13, {kRow})), "none");
  EXPECT_EQ(attr_float(mapped(node("HardSigmoid", 7, {kRow})).node.attrs, "alpha"), 0.2);
}

TEST(OnnxCast, ToRealsMaySaySinceOpset19HowItSaturates) {
  EXPECT_EQ(op_of(node("Cast", 19, {kRow}, {{"to", int64_t{1}}, {"saturate", int64_t{1}}})), "identity");
}

TEST(OnnxDropout, IsNothingAtInference) {
  const MappedNode plain = mapped(node("Dropout", 7, {kRow}, {{"ratio", 0.5}}));
  EXPECT_EQ(plain.op->name, "identity");
  EXPECT_TRUE(plain.node.attrs.empty());
  OnnxNode::Input training;
  training.constant = make_tensor(DType::kBool, Shape{});
  EXPECT_EQ(mapped(node("Dropout", 13, {kRow, floats({}, {0.5f}), training})).node.inputs.size(), 1u);
  *training.constant->as<uint8_t>() = 1;
  EXPECT_EQ(refusal(node("Dropout", 13, {kRow, floats({}, {0.5f}), training})),
            "training_mode is on or computed, wanted false");
}

TEST(OnnxArithmetic, SubtractsAndDividesByConstantsWithoutLosingABit) {
  EXPECT_EQ(op_of(node("Add", 7, {kRow, kRow})), "add");
  EXPECT_EQ(op_of(node("Mul", 7, {kRow, kRow})), "mul");
  const MappedNode sub = mapped(node("Sub", 7, {kRow, floats({2}, {3, -1})}));
  EXPECT_EQ(sub.op->name, "add");
  EXPECT_EQ(sub.node.inputs[1].constant->as<float>()[0], -3);
  const MappedNode div = mapped(node("Div", 7, {kRow, floats({}, {8})}));
  EXPECT_EQ(div.op->name, "mul");
  EXPECT_EQ(*div.node.inputs[1].constant->as<float>(), 0.125f);
  for (const std::vector<float>& divisors : {std::vector<float>{8, 10}, {0x1p-149f, 1}, {0x1p127f, 1}}) {
    const MappedNode quotient = mapped(node("Div", 7, {kRow, floats({2}, divisors)}));
    EXPECT_EQ(quotient.op->name, "div");
    EXPECT_EQ(quotient.node.inputs[1].constant->as<float>()[0], divisors[0]);
  }
  EXPECT_EQ(refusal(node("Div", 7, {kRow, floats({2}, {3, -0.f})})), "the divisor holds 0, wanted none");
}

TEST(OnnxArithmetic, SubtractsAndDividesByWhatIsComputed) {
  EXPECT_EQ(op_of(node("Sub", 7, {kRow, kRow})), "sub");
  EXPECT_EQ(op_of(node("Sub", 14, {floats({}, {1}), kRow})), "sub");
  EXPECT_EQ(op_of(node("Div", 7, {kRow, kRow})), "div");
  EXPECT_EQ(op_of(node("Div", 14, {floats({}, {1}), kRow})), "div");
}

TEST(OnnxPools, TakeOverTheirWindow) {
  const Attrs window = {
      {"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}};
  const MappedNode max = mapped(node("MaxPool", 12, {kImage}, window));
  EXPECT_EQ(max.op->name, "max_pool");
  EXPECT_EQ(attr_ints(max.node.attrs, "pads"), (Ints{1, 1, 1, 1}));
  EXPECT_EQ(inferred(max), (Shape{kFree, 8, 3, 4}));
  const MappedNode average = mapped(node("AveragePool", 11, {kImage}, window));
  EXPECT_EQ(average.op->name, "avg_pool");
  EXPECT_EQ(attr_int(average.node.attrs, "count_include_pad"), 0);
  EXPECT_EQ(inferred(average), (Shape{kFree, 8, 3, 4}));
  EXPECT_EQ(refusal(node("MaxPool", 12, {kImage})), "attribute kernel_shape is missing");
}

TEST(OnnxPools, GoOverTheWholeImage) {
  EXPECT_EQ(inferred(mapped(node("GlobalAveragePool", 7, {kImage}))), (Shape{kFree, 8, 1, 1}));
  EXPECT_EQ(inferred(mapped(node("GlobalMaxPool", 7, {kImage}))), (Shape{kFree, 8, 1, 1}));
  const MappedNode mean = mapped(node("ReduceMean", 13, {kImage}, {{"axes", Ints{-1, 2}}}));
  EXPECT_EQ(mean.op->name, "adaptive_avg_pool");
  EXPECT_EQ(inferred(mean), (Shape{kFree, 8, 1, 1}));
  for (const OnnxNode& flat :
       {node("ReduceMean", 13, {kImage}, {{"axes", Ints{2, 3}}, {"keepdims", int64_t{0}}}),
        node("ReduceMean", 18, {kImage, integers({3, -2})}, {{"keepdims", int64_t{0}}})}) {
    EXPECT_EQ(inferred(mapped(flat)), (Shape{kFree, 8}));
    EXPECT_EQ(mapped(flat).node.inputs.size(), 1u);
  }
  EXPECT_EQ(op_of(node("ReduceMean", 18, {kImage})), "mean");
  EXPECT_EQ(op_of(node("ReduceMean", 13, {kImage}, {{"axes", Ints{1}}})), "mean");
}

TEST(OnnxReshape, LetsTheBatchStayFree) {
  for (const Ints& shape : {Ints{-1, 280}, Ints{0, 280}, Ints{0, -1}}) {
    const MappedNode reshape = mapped(node("Reshape", 13, {kImage, integers(shape)}));
    EXPECT_EQ(reshape.node.inputs.size(), 1u);
    EXPECT_EQ(inferred(reshape), (Shape{kFree, 280}));
  }
  // a batch that the exporter wrote down, of a model that is read as if it were free
  const auto of_batch = [](int64_t batch, const Ints& shape) {
    OnnxNode reshape = node("Reshape", 13, {kImage, integers(shape)});
    reshape.batch = batch;
    return inferred(mapped(reshape));
  };
  for (const Ints& shape : {Ints{1, 280}, Ints{1, -1}, Ints{-1, 280}, Ints{0, -1}})
    EXPECT_EQ(of_batch(1, shape), (Shape{kFree, 280}));
  EXPECT_EQ(of_batch(1, {8, -1}), (Shape{8 * kFree, 35}));
  EXPECT_EQ(of_batch(9, {9, 280}), (Shape{kFree, 280}));
  EXPECT_EQ(of_batch(9, {72, 5, 7}), (Shape{8 * kFree, 5, 7}));
  EXPECT_THROW(of_batch(9, {8, 315}), Error);
  EXPECT_EQ(refusal(node("Reshape", 13, {kImage, computed({2})})), "shape is computed, wanted a constant");
}

TEST(OnnxShapes, ReadTheirListsFromAttributesAndFromInputs) {
  const OnnxNode::Input pixel = computed({kFree, 8, 1, 1});
  EXPECT_EQ(inferred(mapped(node("Squeeze", 11, {pixel}, {{"axes", Ints{2, 3}}}))), (Shape{kFree, 8}));
  EXPECT_EQ(inferred(mapped(node("Squeeze", 13, {pixel, integers({2, 3})}))), (Shape{kFree, 8}));
  EXPECT_EQ(inferred(mapped(node("Squeeze", 13, {pixel}))), (Shape{kFree, 8}));
  EXPECT_EQ(inferred(mapped(node("Squeeze", 13, {kRow}))), (Shape{kFree, 10}));
  OnnxNode of_one = node("Squeeze", 13, {pixel});
  of_one.batch = 1;
  EXPECT_THROW(inferred(mapped(of_one)), Error);  // the file leaves out the axis of the samples too
  EXPECT_EQ(inferred(mapped(node("Unsqueeze", 11, {kRow}, {{"axes", Ints{1}}}))), (Shape{kFree, 1, 10}));
  EXPECT_EQ(inferred(mapped(node("Unsqueeze", 13, {kRow, integers({-1})}))), (Shape{kFree, 10, 1}));
  EXPECT_EQ(inferred(mapped(node("Flatten", 13, {kImage}))), (Shape{kFree, 280}));
  EXPECT_EQ(inferred(mapped(node("Transpose", 13, {kImage}))), (Shape{7, 5, 8, kFree}));
  EXPECT_EQ(inferred(mapped(node("Concat", 13, {kImage, kImage}, {{"axis", int64_t{1}}}))),
            (Shape{kFree, 16, 5, 7}));
}

TEST(OnnxPad, ReadsPadsAndValueFromAttributesAndFromInputs) {
  const Ints pads = {0, 0, 1, 2, 0, 0, 0, 1};
  const MappedNode old = mapped(node("Pad", 10, {kImage}, {{"pads", pads}, {"value", 2.0}}));
  const MappedNode now =
      mapped(node("Pad", 13, {kImage, integers(pads), floats({}, {2})}, {{"mode", std::string("constant")}}));
  for (const MappedNode& pad : {old, now}) {
    EXPECT_EQ(inferred(pad), (Shape{kFree, 8, 6, 10}));
    EXPECT_EQ(attr_float(pad.node.attrs, "value"), 2);
    EXPECT_EQ(pad.node.inputs.size(), 1u);
  }
  EXPECT_EQ(attr_float(mapped(node("Pad", 13, {kImage, integers(pads), absent()})).node.attrs, "value"), 0);
  const MappedNode some =
      mapped(node("Pad", 18, {kImage, integers({2, 1, 1, 0}), absent(), integers({-1, 2})}));
  EXPECT_EQ(attr_ints(some.node.attrs, "pads"), (Ints{0, 0, 1, 2, 0, 0, 0, 1}));
  EXPECT_EQ(some.node.inputs.size(), 1u);
  EXPECT_EQ(refusal(node("Pad", 18, {kImage, integers({1, 1}), absent(), integers({2, 3})})),
            "2 pads of 2 axes, wanted 2 for each");
  EXPECT_EQ(refusal(node("Pad", 18, {kImage, integers({1, 1, 1, 1}), absent(), integers({3, -1})})),
            "axes hold 3 twice");
}

TEST(OnnxConcat, RepeatsAConstantOfOneSampleForEverySampleAndNothingElse) {
  const auto concat = [](OnnxNode::Input first, OnnxNode::Input second) {
    return node("Concat", 13, {std::move(first), std::move(second)}, {{"axis", int64_t{1}}});
  };
  EXPECT_EQ(inferred(mapped(concat(kRow, floats({1, 3}, {1, 2, 3})))), (Shape{kFree, 13}));
  EXPECT_EQ(inferred(mapped(concat(floats({1, 3}, {1, 2, 3}), kRow))), (Shape{kFree, 13}));
  EXPECT_EQ(refusal(concat(kRow, computed({1, 3}))),
            "inputs are [N,10] and [1,3], wanted to differ along axis 1 only");
  EXPECT_EQ(refusal(concat(computed({2, 10}), floats({1, 3}, {1, 2, 3}))),
            "inputs are [2,10] and [1,3], wanted to differ along axis 1 only");
}

TEST(OnnxSoftmax, IsOverOneAxisOrAllBehindItUntilOpset12) {
  EXPECT_EQ(attr_int(mapped(node("Softmax", 13, {kImage})).node.attrs, "axis"), -1);
  EXPECT_EQ(attr_int(mapped(node("Softmax", 11, {kRow})).node.attrs, "axis"), 1);
  EXPECT_EQ(op_of(node("Softmax", 11, {computed({kFree, 10, 1, 1})})), "softmax");
  const MappedNode flat = mapped(node("Softmax", 11, {kImage}));
  EXPECT_EQ(flat.op->name, "flat_softmax");
  EXPECT_EQ(attr_int(flat.node.attrs, "axis"), 1);
  EXPECT_EQ(op_of(node("Softmax", 11, {kImage}, {{"axis", int64_t{-2}}})), "flat_softmax");
  EXPECT_EQ(op_of(node("Softmax", 13, {kImage}, {{"axis", int64_t{1}}})), "softmax");
  EXPECT_EQ(op_of(node("Softmax", 11, {kImage}, {{"axis", int64_t{3}}})), "softmax");
}

TEST(OnnxBatchNormalization, IsRefusedInTraining) {
  const OnnxNode::Input list = floats({8}, std::vector<float>(8, 1));
  const std::vector<OnnxNode::Input> inputs = {kImage, list, list, list, list};
  const MappedNode norm =
      mapped(node("BatchNormalization", 15, inputs, {{"epsilon", 0.5}, {"momentum", 0.9}}));
  EXPECT_EQ(norm.op->name, "batch_norm");
  EXPECT_EQ(attr_float(norm.node.attrs, "epsilon"), 0.5);
  EXPECT_EQ(inferred(norm), kImage.type.shape);
  EXPECT_EQ(refusal(node("BatchNormalization", 15, inputs, {{"training_mode", int64_t{1}}})),
            "training_mode is 1, wanted 0");
}

}  // namespace
}  // namespace q
