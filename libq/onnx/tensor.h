// Tensors of an ONNX file as ours: every way in which ONNX stores elements, files beside the model included.
#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <string_view>

#include "q/tensor.h"

namespace q {

// onnx.TensorProto.DataType as messages name it: "float16", or its number when there is none.
std::string type_name(int type);

// The tensor in the types libq imports: all floating-point types as f32, integers of 16 to 64 bits as i64,
// bool, u8 and i8 as they are. folder: where external files are; nothing when the model has no folder.
// Throws, without place, on any other type, a number of elements that differs from the shape's, NaN, and a
// double that float32 cannot hold.
Tensor read_tensor(const onnx::TensorProto& proto, const std::optional<std::string>& folder);
// Integers as float32. Throws, naming `place`, when it does not hold one of them exactly.
Tensor as_reals(const Tensor& integers, std::string_view place);

}  // namespace q
