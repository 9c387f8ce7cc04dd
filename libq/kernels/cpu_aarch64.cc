// What this processor can do, as Linux tells it.
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/kernels.h"

namespace q {

uint32_t cpu_features() { return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? kCpuNeonDot : 0; }

}  // namespace q
