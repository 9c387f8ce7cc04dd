// The row for processors with AVX-512 F, BW, VL, DQ and VNNI: 64 byte vectors, u8 x i8 dot products of four.
#include "kernels/avx512vnni/row.h"

namespace q {

static void install(Kernels& kernels) {
  avx512vnni::install_gemm(kernels);
  avx512vnni::install_depthwise(kernels);
  avx512vnni::install_pool(kernels);
  avx512vnni::install_elementwise(kernels);
  avx512vnni::install_observe(kernels);
}

extern const Isa isa_avx512vnni;
const Isa isa_avx512vnni = {"avx512vnni", kCpuAvx2Fma | kCpuAvx512 | kCpuAvx512Vnni, install};

}  // namespace q
