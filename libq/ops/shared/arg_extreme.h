// Where the greatest or least element along an axis stands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/shared/lines.h"
#include "q/op.h"

namespace q {

inline constexpr AttrSpec kArgExtremeAttrs[] = {
    {"axis", "the axis along which it is looked for", AttrKind::kInt, "0"},
    {"keepdims", "0: leave the axis out, 1: keep it with extent 1", AttrKind::kInt, "1"},
    {"select_last_index", "1: of equal elements the last one, 0: the first one", AttrKind::kInt, "0"},
};

std::vector<Shape> infer_arg_extreme(const Attrs& attrs, std::span<const TensorType> in);

// Whether x is taken instead of what stands before it. A NaN is taken before all others, as PyTorch does.
template <typename T, int sign>
struct Wins {
  bool last;  // of equal ones
  bool operator()(T x, T best) const {
    const bool equal = x == best || (x != x && best != best);
    const bool better = sign * x > sign * best || (x != x && best == best);
    return (better && best == best) || (last && equal);
  }
};

// Positions of the greatest (sign 1) or least (sign -1) elements of type T, float or uint8_t.
template <typename T, int sign>
Run compile_arg_extreme(const CompileCall& call) {
  const Wins<T, sign> wins{attr_bool(call.attrs, "select_last_index")};
  return [lines = lines_of(call), wins](const RunCall& run) {
    for_line_groups(lines, [&](int64_t outer, int64_t first, int64_t n) {
      const T* x = run.in[0].as<T>() + outer * lines.extent * lines.step + first;
      float* out = run.out[0].as<float>() + outer * lines.step + first;
      T best[kMostLines];
      std::copy_n(x, n, best);
      std::fill_n(out, n, 0.f);
      for (int64_t i = 1; i < lines.extent; ++i) {
        x += lines.step;
        for (int64_t line = 0; line < n; ++line) {
          const bool taken = wins(x[line], best[line]);
          best[line] = taken ? x[line] : best[line];
          out[line] = taken ? static_cast<float>(i) : out[line];
        }
      }
    });
  };
}

}  // namespace q
