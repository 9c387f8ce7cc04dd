// What this processor can do, as Linux tells it.
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/kernels.h"

namespace q {

uint32_t cpu_features() {
  const bool dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return dot ? uint32_t{kCpuNeonDot} : 0;
}

}  // namespace q
