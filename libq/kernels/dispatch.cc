// Lays the rows of kernels over each other, once for every row.
#include "kernels/dispatch.h"

#include <array>
#include <cstdlib>

namespace q {

#define Q_ISA(row) extern const Isa isa_##row;
#include "isas.inc"
#undef Q_ISA

namespace {

#define Q_ISA(row) &isa_##row,
constexpr const Isa* kIsas[] = {
#include "isas.inc"
};
#undef Q_ISA

constexpr size_t kIsaCount = std::size(kIsas);

// Entry i: the kernels of all supported rows up to row i.
std::array<Kernels, kIsaCount> resolve() {
  std::array<Kernels, kIsaCount> resolved{};
  Kernels kernels{};
  for (size_t i = 0; i < kIsaCount; ++i) {
    if (supported(*kIsas[i])) {
      kIsas[i]->install(kernels);
      kernels.name = kIsas[i]->name;
    }
    resolved[i] = kernels;
  }
  return resolved;
}

}  // namespace

std::span<const Isa* const> isas() { return kIsas; }

bool supported(const Isa& isa) { return (isa.needs & ~cpu_features()) == 0; }

const Kernels* kernels_up_to(std::string_view name) {
  static const std::array<Kernels, kIsaCount> resolved = resolve();
  const char* forced = std::getenv("Q_ISA");
  if (name.empty() && forced) name = forced;
  if (name.empty()) return &resolved.back();
  for (size_t i = 0; i < kIsaCount; ++i) {
    if (kIsas[i]->name == name) return supported(*kIsas[i]) ? &resolved[i] : nullptr;
  }
  return nullptr;
}

}  // namespace q
