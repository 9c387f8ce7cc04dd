// The parts of the AVX-512 row, one per file.
#pragma once

#include "kernels/kernels.h"

namespace q::avx512vnni {

void install_gemm(Kernels& kernels);
void install_depthwise(Kernels& kernels);
void install_pool(Kernels& kernels);
void install_elementwise(Kernels& kernels);
void install_observe(Kernels& kernels);

}  // namespace q::avx512vnni
