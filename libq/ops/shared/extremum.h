// The greatest or least of any number of inputs, element by element.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/shared/binary.h"
#include "ops/shared/u8.h"

namespace q {

template <auto better>
Run compile_extremum_f32(const CompileCall& call) {
  check_f32(call);
  const auto take = [](size_t i, const float* x, size_t n, float* best) {
    if (i == 0)
      std::copy_n(x, n, best);
    else
      fill_with(static_cast<int64_t>(n), best, [=](int64_t k) { return better(best[k], x[k]); });
  };
  return compile_fold<float, float>(
      call, take, [](const float* best, size_t n, float* out) { std::copy_n(best, n, out); });
}

// Q(D(x)) never falls where x rises, so that the best integer is that of the best real.
template <auto better>
Run compile_extremum_u8(const CompileCall& call) {
  std::vector<Table> tables;
  for (const TensorType& type : call.in)
    tables.push_back(table_of(type, call.out[0], [](float x) { return x; }));
  const auto take = [lookup = call.kernels.lut_u8, tables](size_t i, const uint8_t* x, size_t n,
                                                           uint8_t* best) {
    if (i == 0) return lookup(x, n, tables[i].data(), best);
    uint8_t level[kBroadcastBlock];
    lookup(x, n, tables[i].data(), level);
    fill_with(static_cast<int64_t>(n), best, [&](int64_t k) { return better(best[k], level[k]); });
  };
  return compile_fold<uint8_t, uint8_t>(
      call, take, [](const uint8_t* best, size_t n, uint8_t* out) { std::copy_n(best, n, out); });
}

}  // namespace q
