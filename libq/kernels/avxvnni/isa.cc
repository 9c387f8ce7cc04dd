// The row for processors with AVX-VNNI: the AVX2 row, and u8 x i8 dot products of four in 32 byte vectors.
#include "kernels/avxvnni/row.h"

namespace q {

static void install(Kernels& kernels) {
  avxvnni::install_gemm(kernels);
  avxvnni::install_depthwise(kernels);
}

extern const Isa isa_avxvnni;
const Isa isa_avxvnni = {"avxvnni", kCpuAvx2Fma | kCpuAvxVnni, install};

}  // namespace q
