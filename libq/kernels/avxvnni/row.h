// The parts of the AVX-VNNI row, one per file.
#pragma once

#include "kernels/kernels.h"

namespace q::avxvnni {

void install_gemm(Kernels& kernels);
void install_depthwise(Kernels& kernels);

}  // namespace q::avxvnni
