// What the mappings of ONNX's Gemm share.
#pragma once

#include <cstdint>

#include "q/op.h"

namespace q {

// The values times the factor.
Tensor scaled(const Tensor& values, float factor);
// Makes the third input of a Gemm, if there is one, a bias [channels] times beta. Throws when it has another
// shape than [N], [1, N], [1] or [], or is computed and would have to change.
void rearrange_bias(OnnxNode& node, int64_t channels, float beta);

}  // namespace q
