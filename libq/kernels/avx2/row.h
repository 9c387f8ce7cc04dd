// The parts of the AVX2 row, one per file.
#pragma once

#include "kernels/kernels.h"

namespace q::avx2 {

void install_gemm_u8i8(Kernels& kernels);
void install_gemm_f32(Kernels& kernels);
void install_depthwise(Kernels& kernels);
void install_pool(Kernels& kernels);
void install_elementwise(Kernels& kernels);
void install_observe(Kernels& kernels);

}  // namespace q::avx2
