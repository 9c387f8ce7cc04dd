// ONNX operators that are made of others: written out, node by node.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>

#include "q/pass.h"

namespace q {

// Writes out, in place, every node that calls a function of the model itself, every node of a type that libq
// does not have and ONNX defines by a function, and the nodes that plain_nodes (onnx/quantized.h) knows.
// Throws, without the file's name, on functions that call themselves or become more than 100,000 nodes.
void inline_functions(onnx::ModelProto& model, int64_t opset, Changes& changes);

}  // namespace q
