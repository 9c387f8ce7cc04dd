// The parts of the NEON row, one per file.
#pragma once

#include "kernels/kernels.h"

namespace q::neondot {

void install_gemm(Kernels& kernels);
void install_depthwise(Kernels& kernels);
void install_pool(Kernels& kernels);
void install_elementwise(Kernels& kernels);
void install_observe(Kernels& kernels);

}  // namespace q::neondot
