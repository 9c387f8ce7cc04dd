// The generic row: the specification of all kernels, written for reading. All other rows give its bits.
#include "kernels/generic/row.h"

namespace q {

static void install(Kernels& kernels) {
  generic::install_gemm(kernels);
  generic::install_depthwise(kernels);
  generic::install_pool(kernels);
  generic::install_elementwise(kernels);
  generic::install_observe(kernels);
}

extern const Isa isa_generic;
const Isa isa_generic = {"generic", 0, install};

}  // namespace q
