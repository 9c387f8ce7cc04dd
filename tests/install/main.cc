// Quantizes three numbers with an installed libq, and shows that its exception arrives.
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "q/quant.h"

int main() {
  const std::array<float, 3> numbers{0.F, 1.F, 2.55F};
  const q::Range range{.lo = 0, .hi = 2.55F};
  const q::QParams qparams = q::choose_qparams({}, {&range, 1}, "numbers");
  const q::Tensor tensor = q::quantize(q::make_tensor(q::Shape{3}, numbers).view(), q::DType::kU8, qparams);
  for (int i = 0; i < 3; ++i) std::printf("%d\n", tensor.as<uint8_t>()[i]);

  const q::Range endless{.lo = 0, .hi = std::numeric_limits<float>::infinity()};
  try {
    q::choose_qparams({}, {&endless, 1}, "numbers");
  } catch (const q::Error& error) {
    std::puts("refused");
  }
}
