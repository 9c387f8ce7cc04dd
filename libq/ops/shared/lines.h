// The lines of a tensor along one axis: what is computed from a line stays in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "q/op.h"

namespace q {

// Lines of `extent` elements that lie `step` apart: `outer` times `step` of them, whose first elements lie
// side by side.
struct Lines {
  int64_t outer, extent, step;
  int64_t count() const { return outer * step; }
  int64_t start(int64_t line) const { return line / step * extent * step + line % step; }
};

// The attribute `axis`, counted from the front.
int line_axis(const Attrs& attrs, const Shape& shape);
// Those along the attribute `axis` of the input.
Lines lines_of(const CompileCall& call);
// The shape of the input, which has the attribute `axis`.
std::vector<Shape> infer_along_axis(const Attrs& attrs, std::span<const TensorType> in);
// For operators whose results depend on the whole line.
void samples_beside_axis(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
// Throws unless the attribute is 0 or 1.
bool attr_bool(const Attrs& attrs, std::string_view name);

// At most so many lines that lie side by side are computed together.
inline constexpr int64_t kMostLines = 64;

// body(outer, first, n) for groups of n lines of each outer one; their first elements are `first` … first + n
// - 1 of `step`.
template <typename Body>
void for_line_groups(const Lines& lines, const Body& body) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  const int64_t groups = (lines.step + kMostLines - 1) / kMostLines;
  const int64_t elements = std::max<int64_t>(1, lines.extent) * std::min(lines.step, kMostLines);
  parallel_blocks(lines.outer * groups, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t group = begin; group < end; ++group) {
                      const int64_t first = group % groups * kMostLines;
                      body(group / groups, first, std::min(kMostLines, lines.step - first));
                    }
                  });
}

}  // namespace q
