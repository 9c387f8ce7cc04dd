// Quantized operators of ONNX: what their scales and zero points mean here.
#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <string>
#include <vector>

#include "q/op.h"
#include "q/tensor.h"

namespace q {

// What is known of a graph when a node is rewritten: a constant's number of elements (0: not a constant), and
// the onnx.TensorProto.DataType that a Cast gives the value (0: none does).
struct ValueFacts {
  std::function<int64_t(const std::string&)> elements;
  std::function<int(const std::string&)> cast_type;
};

// The node as others: ConvInteger and MatMulInteger as sums of reals less their zero points (exact below
// 2^24); QLinearConv and QLinearMatMul between DequantizeLinear and QuantizeLinear; these two, where their
// scale is computed, as arithmetic. Empty for any other node. Throws, without place, where that cannot be.
std::vector<onnx::NodeProto> plain_nodes(const onnx::NodeProto& node, const std::string& name,
                                         const ValueFacts& facts);

// The parameters that an ONNX QuantizeLinear or DequantizeLinear gives a tensor of that type and shape; its
// inputs are the tensor, scale, and perhaps zero point, the last two constants. Throws, without place, on
// forms that libq does not have.
QParams onnx_qparams(const OnnxNode& node, DType dtype, const Shape& shape);
// The integers of QuantizeLinear: those of its zero point, of its attribute output_dtype, or u8.
DType onnx_quantized_type(const OnnxNode& node);
// A constant under DequantizeLinear: float32, with the parameters of its integers, as i8, where they are i8
// or u8.
Tensor onnx_dequantized(const OnnxNode& node);

}  // namespace q
