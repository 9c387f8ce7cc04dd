// Which kernels to use: generic, with every supported row up to the chosen one laid over it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/kernels.h"

namespace q {

// All rows compiled in, slowest first.
std::span<const Isa* const> isas();
bool supported(const Isa& isa);
// The kernels up to the row `name`; empty: $Q_ISA, and without it the best this machine runs. Null when the
// row is unknown or this machine cannot run it.
const Kernels* kernels_up_to(std::string_view name);

}  // namespace q
