#include "onnx/quantized.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "onnx/tensor.h"
#include "q/error.h"
#include "q/quant.h"

namespace q {

namespace {

using onnx::NodeProto;

constexpr int32_t kSignShift = 128;  // from u8 to i8

NodeProto make_node(const std::string& type, const std::string& output,
                    const std::vector<std::string>& inputs) {
  NodeProto node;
  node.set_op_type(type);
  node.set_name(output);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

NodeProto make_constant(const std::string& output, float value) {
  NodeProto node = make_node("Constant", output, {});
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name("value_float");
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
  return node;
}

std::string input_of(const NodeProto& node, int index) {
  return index < node.input_size() ? node.input(index) : "";
}

// ---- integers, less their zero points ----

std::vector<NodeProto> integer_sum(const NodeProto& node, const std::string& name, const ValueFacts& facts) {
  std::vector<NodeProto> out;
  NodeProto sum = node;
  sum.set_op_type(node.op_type() == "ConvInteger" ? "Conv" : "MatMul");
  sum.set_name(name);
  sum.clear_input();
  for (int i = 0; i < std::min(2, node.input_size()); ++i) {
    const std::string zero_point = input_of(node, i + 2);
    if (zero_point.empty()) {
      sum.add_input(node.input(i));
      continue;
    }
    if (facts.elements(zero_point) > 1)
      throw Error(ErrorKind::kUnsupported, text("input ", zero_point, " has ", facts.elements(zero_point),
                                                " zero points, wanted one"));
    out.push_back(make_node("Sub", text(name, i == 0 ? "/x" : "/w"), {node.input(i), zero_point}));
    sum.add_input(out.back().output(0));
  }
  out.push_back(std::move(sum));
  return out;
}

// ---- operators between integers ----

NodeProto dequantized(const std::string& output, const std::vector<std::string>& inputs, int axis) {
  NodeProto out = make_node("DequantizeLinear", output, inputs);
  onnx::AttributeProto& attribute = *out.add_attribute();
  attribute.set_name("axis");
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(axis);
  return out;
}

// inputs: x, its scale and zero point, w and its own, those of the output, perhaps a bias of scale sx * sw.
std::vector<NodeProto> linear(const NodeProto& node, const std::string& name) {
  const bool is_conv = node.op_type() == "QLinearConv";
  const std::string x = text(name, "/x"), w = text(name, "/w"), b = text(name, "/b"), y = text(name, "/y");
  std::vector<NodeProto> out = {
      dequantized(x, {input_of(node, 0), input_of(node, 1), input_of(node, 2)}, 1),
      dequantized(w, {input_of(node, 3), input_of(node, 4), input_of(node, 5)}, is_conv ? 0 : 1)};
  NodeProto product = make_node(is_conv ? "Conv" : "MatMul", y, {x, w});
  *product.mutable_attribute() = node.attribute();
  product.set_name(name);
  if (is_conv && !input_of(node, 8).empty()) {
    const std::string scale = text(name, "/b_scale");
    out.push_back(make_node("Mul", scale, {input_of(node, 1), input_of(node, 4)}));
    out.push_back(dequantized(b, {input_of(node, 8), scale}, 0));
    product.add_input(b);
  }
  out.push_back(std::move(product));
  out.push_back(make_node("QuantizeLinear", node.output(0), {y, input_of(node, 6), input_of(node, 7)}));
  return out;
}

// ---- scales that are computed ----

// clip(round(x / scale) + zero_point)
std::vector<NodeProto> dynamic_quantize(const NodeProto& node, const std::string& name,
                                        const ValueFacts& facts) {
  constexpr int kInt8 = 3;
  const std::string zero_point = input_of(node, 2), low = text(name, "/low"), high = text(name, "/high");
  const bool is_signed = !zero_point.empty() && facts.cast_type(zero_point) == kInt8;
  std::vector<NodeProto> out;
  out.push_back(make_node("Div", text(name, "/steps"), {input_of(node, 0), input_of(node, 1)}));
  out.push_back(make_node("Round", text(name, "/rounded"), {out.back().output(0)}));
  if (!zero_point.empty())
    out.push_back(make_node("Add", text(name, "/shifted"), {out.back().output(0), zero_point}));
  const std::string shifted = out.back().output(0);
  out.push_back(make_constant(low, is_signed ? -128 : 0));
  out.push_back(make_constant(high, is_signed ? 127 : 255));
  out.push_back(make_node("Clip", node.output(0), {shifted, low, high}));
  return out;
}

// (x - zero_point) * scale
std::vector<NodeProto> dynamic_dequantize(const NodeProto& node, const std::string& name) {
  std::vector<NodeProto> out;
  std::string x = input_of(node, 0);
  if (const std::string zero_point = input_of(node, 2); !zero_point.empty()) {
    out.push_back(make_node("Sub", text(name, "/steps"), {x, zero_point}));
    x = out.back().output(0);
  }
  out.push_back(make_node("Mul", node.output(0), {x, input_of(node, 1)}));
  return out;
}

const Tensor& parameter(const OnnxNode& node, size_t index, std::string_view what) {
  const OnnxNode::Input& input = node.inputs.at(index);
  if (!input.constant)
    throw Error(ErrorKind::kUnsupported, text(what, " ", input.name, ": is computed, wanted a constant"));
  return *input.constant;
}

const Tensor* zero_points(const OnnxNode& node) {
  return node.inputs.size() > 2 && !node.inputs[2].absent ? &parameter(node, 2, "zero point") : nullptr;
}

int32_t integer_at(const Tensor& tensor, int64_t index) {
  switch (tensor.type.dtype) {
    case DType::kI8:
      return tensor.as<int8_t>()[index];
    case DType::kU8:
      return tensor.as<uint8_t>()[index];
    case DType::kI64:
      return static_cast<int32_t>(std::clamp<int64_t>(tensor.as<int64_t>()[index], INT32_MIN, INT32_MAX));
    default:
      throw Error(ErrorKind::kUnsupported, text("is ", name_of(tensor.type.dtype), ", wanted integers"));
  }
}

// Of 32 bits: a bias.
Tensor dequantized_sums(const OnnxNode& node, const Tensor& sums) {
  const Tensor& scale = parameter(node, 1, "scale");
  if (const Tensor* zero = zero_points(node))
    for (int64_t i = 0; i < elements(zero->type.shape); ++i)
      if (integer_at(*zero, i) != 0)
        throw Error(ErrorKind::kUnsupported, "32-bit integers with a zero point other than 0");
  const int64_t count = elements(sums.type.shape), scales = elements(scale.type.shape);
  if (scales != 1 && (sums.type.shape.rank != 1 || scales != count))
    throw Error(ErrorKind::kUnsupported,
                text(scales, " scales for ", to_string(sums.type.shape), ", wanted one or as many"));
  Tensor out = make_tensor(DType::kF32, sums.type.shape);
  for (int64_t i = 0; i < count; ++i)
    out.as<float>()[i] = static_cast<float>(sums.as<int64_t>()[i]) * scale.as<float>()[scales == 1 ? 0 : i];
  return out;
}

}  // namespace

std::vector<NodeProto> plain_nodes(const NodeProto& node, const std::string& name, const ValueFacts& facts) {
  const std::string& type = node.op_type();
  if (node.output_size() == 0) return {};
  if (type == "ConvInteger" || type == "MatMulInteger") return integer_sum(node, name, facts);
  if (type == "QLinearConv" || type == "QLinearMatMul") return linear(node, name);
  const bool is_computed = node.input_size() > 1 && facts.elements(node.input(1)) == 0;
  if (type == "QuantizeLinear" && is_computed) return dynamic_quantize(node, name, facts);
  if (type == "DequantizeLinear" && is_computed) return dynamic_dequantize(node, name);
  return {};
}

DType onnx_quantized_type(const OnnxNode& node) {
  constexpr int64_t kUint8 = 2, kInt8 = 3;  // onnx.TensorProto.DataType
  if (const Tensor* zero = zero_points(node)) {
    if (zero->type.dtype != DType::kU8 && zero->type.dtype != DType::kI8)
      throw Error(ErrorKind::kUnsupported, text("to ", name_of(zero->type.dtype), ", wanted u8 or i8"));
    return zero->type.dtype;
  }
  const auto given = node.attrs.find("output_dtype");
  const int64_t type = given == node.attrs.end() ? 0 : attr_int(node.attrs, "output_dtype");
  if (type != 0 && type != kUint8 && type != kInt8)
    throw Error(ErrorKind::kUnsupported,
                text("to ", type_name(static_cast<int>(type)), ", wanted uint8 or int8"));
  return type == kInt8 ? DType::kI8 : DType::kU8;
}

QParams onnx_qparams(const OnnxNode& node, DType dtype, const Shape& shape) {
  if (node.attrs.contains("block_size") && attr_int(node.attrs, "block_size") != 0)
    throw Error(ErrorKind::kUnsupported, "scales of blocks, wanted one, or one per channel");
  const Tensor& scale = parameter(node, 1, "scale");
  const int64_t count = elements(scale.type.shape);
  QParams out;
  out.quant_min = static_cast<int32_t>(lowest(dtype));
  out.quant_max = static_cast<int32_t>(highest(dtype));
  if (count > 1) {
    out.scheme = QScheme::kPerChannelAffine;
    const int64_t axis = node.attrs.contains("axis") ? attr_int(node.attrs, "axis") : 1;
    out.axis = normalize_axis(axis, shape.rank, "attribute axis");
  }
  const Tensor* zero = zero_points(node);
  if (zero != nullptr && elements(zero->type.shape) != count)
    throw Error(ErrorKind::kInvalid,
                text(count, " scales and ", elements(zero->type.shape), " zero points, wanted as many"));
  for (int64_t i = 0; i < count; ++i) {
    out.scales.push_back(static_cast<double>(scale.as<float>()[i]));
    out.zero_points.push_back(zero == nullptr ? 0 : integer_at(*zero, i));
  }
  check_qparams(out, dtype, shape, "scale");
  return out;
}

Tensor onnx_dequantized(const OnnxNode& node) {
  const Tensor& x = *node.inputs.at(0).constant;
  if (x.type.dtype == DType::kI64) return dequantized_sums(node, x);
  if (x.type.dtype != DType::kU8 && x.type.dtype != DType::kI8)
    throw Error(ErrorKind::kUnsupported, text("of ", name_of(x.type.dtype), ", wanted u8, i8 or i32"));
  Tensor integers = x;
  integers.type.qparams = onnx_qparams(node, x.type.dtype, x.type.shape);
  Tensor out = dequantize(integers.view());
  QParams qparams = *integers.type.qparams;
  if (x.type.dtype == DType::kU8) {
    for (int32_t& zero_point : qparams.zero_points) zero_point -= kSignShift;
    qparams.quant_min -= kSignShift;
    qparams.quant_max -= kSignShift;
  }
  out.type.qparams = std::move(qparams);
  return out;
}

}  // namespace q
