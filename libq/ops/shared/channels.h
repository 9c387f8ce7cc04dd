// Elements stored channels-last, one row of channels after the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

inline int64_t count_rows(const Shape& shape) { return shape[1] == 0 ? 0 : elements(shape) / shape[1]; }

// row(pixel) for all pixels, in blocks.
template <typename Row>
void for_each_row(int64_t rows, int64_t channels, const Row& row) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  parallel_blocks(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, channels)),
                  [&](int64_t first, int64_t end) {
                    for (int64_t pixel = first; pixel < end; ++pixel) row(pixel);
                  });
}

// The table of its channel applied to each element of the first input.
inline Run compile_channel_lookup(const CompileCall& call, std::vector<Table> tables) {
  auto shared = std::make_shared<const std::vector<Table>>(std::move(tables));
  return [rows = count_rows(call.in[0].shape), shared](const RunCall& run) {
    const int64_t channels = std::ssize(*shared);
    for_each_row(rows, channels, [&](int64_t row) {
      const uint8_t* x = run.in[0].as<uint8_t>() + row * channels;
      uint8_t* out = run.out[0].as<uint8_t>() + row * channels;
      for (int64_t c = 0; c < channels; ++c) out[c] = (*shared)[static_cast<size_t>(c)][x[c]];
    });
  };
}

}  // namespace q
