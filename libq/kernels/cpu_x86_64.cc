// What this processor can do and its system allows: a register file that is not saved is as good as absent.
#include <cpuid.h>

#include "kernels/kernels.h"

namespace q {

namespace {

struct CpuId {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;  // all 0 for a leaf the processor does not know
};

CpuId cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuId id;
  __get_cpuid_count(leaf, subleaf, &id.eax, &id.ebx, &id.ecx, &id.edx);
  return id;
}

bool has(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

// XCR0, the registers that the operating system saves. Only when CPUID says OSXSAVE.
uint32_t saved_registers() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

uint32_t detect() {
  const CpuId basic = cpuid(1, 0), extended = cpuid(7, 0), more = cpuid(7, 1);
  const uint32_t saved = has(basic.ecx, bit_OSXSAVE) ? saved_registers() : 0;
  const bool ymm = has(saved, 0x06), zmm = has(saved, 0xe6);

  uint32_t features = 0;
  if (!ymm || !has(basic.ecx, bit_AVX | bit_FMA | bit_F16C) || !has(extended.ebx, bit_AVX2)) return features;
  features |= kCpuAvx2Fma;
  if (has(more.eax, 1u << 4)) features |= kCpuAvxVnni;
  if (!zmm || !has(extended.ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ)) return features;
  features |= kCpuAvx512;
  if (has(extended.ecx, bit_AVX512VNNI)) features |= kCpuAvx512Vnni;
  if (has(extended.ecx, bit_AVX512VBMI)) features |= kCpuAvx512Vbmi;
  return features;
}

}  // namespace

uint32_t cpu_features() {
  static const uint32_t features = detect();
  return features;
}

}  // namespace q
