// The row for 64-bit ARM processors with the dot product instructions of ARMv8.2: 16 byte vectors.
#include "kernels/neondot/row.h"

namespace q {

static void install(Kernels& kernels) {
  neondot::install_gemm(kernels);
  neondot::install_depthwise(kernels);
  neondot::install_pool(kernels);
  neondot::install_elementwise(kernels);
  neondot::install_observe(kernels);
}

extern const Isa isa_neondot;
const Isa isa_neondot = {"neondot", kCpuNeonDot, install};

}  // namespace q
