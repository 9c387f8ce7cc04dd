// The row for processors with AVX2 and FMA: 32 byte vectors, no dot product of bytes that does not saturate.
#include "kernels/avx2/row.h"

namespace q {

static void install(Kernels& kernels) {
  avx2::install_gemm_u8i8(kernels);
  avx2::install_gemm_f32(kernels);
  avx2::install_depthwise(kernels);
  avx2::install_pool(kernels);
  avx2::install_elementwise(kernels);
  avx2::install_observe(kernels);
}

extern const Isa isa_avx2;
const Isa isa_avx2 = {"avx2", kCpuAvx2Fma, install};

}  // namespace q
