// Activations of the quantized form, u8 with one scale: their parameters as kernels take them, and tables
// from one to another.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "kernels/kernels.h"
#include "q/op.h"
#include "q/quant.h"
#include "q/tensor.h"

namespace q {

// Throws unless the tensor, called `what` in messages, is u8 with one scale.
AffineU8 affine_of(const TensorType& type, std::string_view what);
// From reals to the integers of the output, which keep to its quant_min and quant_max and to the real limits
// min and max. Throws as affine_of does.
ToU8 to_u8_of(const TensorType& out, float min = -std::numeric_limits<float>::infinity(),
              float max = std::numeric_limits<float>::infinity());

// What every integer of an input becomes.
using Table = std::array<uint8_t, 256>;

// Q(f(D(q))) for each q.
template <typename F>
Table table_of(const TensorType& in, const TensorType& out, const F& f) {
  const AffineU8 from = affine_of(in, "input"), to = affine_of(out, "output");
  Table table{};
  for (int32_t q = 0; q < 256; ++q) {
    const float y = f(dequantize_value(q, from.scale, from.zero_point));
    table[static_cast<size_t>(q)] = static_cast<uint8_t>(
        quantize_value(y, to.scale, to.zero_point, out.qparams->quant_min, out.qparams->quant_max));
  }
  return table;
}

// True when integers of `in` mean the same in `out`.
bool same_integers(const TensorType& in, const TensorType& out);
// The table applied to the first input.
Run compile_lookup(const CompileCall& call, const Table& table);

}  // namespace q
