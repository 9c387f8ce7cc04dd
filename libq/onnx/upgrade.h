// Models of old opsets in the words of newer ones.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>

namespace q {

// The model at this opset of ai.onnx, by libonnx's own converter. Throws, without place, when it cannot.
onnx::ModelProto upgraded(const onnx::ModelProto& model, int64_t opset);

}  // namespace q
