#include "ops/shared/gather.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>

#include "base/parallel.h"
#include "ops/shared/onnx.h"

namespace q {

void check_position_type(const TensorType& positions) {
  const DType dtype = positions.dtype;
  if (dtype != DType::kF32 && dtype != DType::kI64 && dtype != DType::kI32)
    throw Error(ErrorKind::kUnsupported, text("positions are ", name_of(dtype), ", wanted i64, i32 or f32"));
}

void check_positions(const View& positions, int64_t count, int64_t extent, int64_t first, int64_t step) {
  visit_positions(positions, [&]<typename T>(const T* values) {
    using Wide = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
    for (int64_t i = 0; i < count; ++i) {
      const Wide value = values[first + i * step];
      bool fits = value >= static_cast<Wide>(-extent) && value < static_cast<Wide>(extent);
      if constexpr (std::is_floating_point_v<T>) fits = fits && value == std::floor(value);
      if (fits) continue;
      const std::string found =
          std::is_floating_point_v<T> ? number(static_cast<double>(value)) : text(value);
      throw Error(ErrorKind::kInvalid, text("index ", found, ", wanted ", -extent, " to ", extent - 1));
    }
  });
}

int64_t grain_of_runs(size_t run_bytes) {
  constexpr size_t kGrainBytes = 1 << 16, kLeast = 16;  // what finding a shorter run costs
  return static_cast<int64_t>(std::max<size_t>(1, kGrainBytes / std::max(kLeast, run_bytes)));
}

void copy_picks(const Picks& picks, const View& positions, const std::byte* from, std::byte* to) {
  check_positions(positions, picks.count, picks.extent);
  visit_positions(positions, [&](const auto* values) {
    parallel_blocks(picks.outer * picks.count, grain_of_runs(picks.run_bytes),
                    [&](int64_t first, int64_t end) {
                      int64_t outer = first / picks.count, i = first % picks.count;
                      for (int64_t run = first; run < end; ++run) {
                        const int64_t source = outer * picks.extent + from_front(values[i], picks.extent);
                        std::memcpy(to + static_cast<size_t>(run) * picks.run_bytes,
                                    from + static_cast<size_t>(source) * picks.run_bytes, picks.run_bytes);
                        if (++i == picks.count) ++outer, i = 0;
                      }
                    });
  });
}

bool gathers_one(const OnnxNode& node) {
  if (node.inputs.size() != 2 || !node.inputs[1].constant) return false;
  const TensorType& type = node.inputs[1].constant->type;
  return type.shape.rank == 0 && (type.dtype == DType::kI64 || type.dtype == DType::kI32);
}

bool gathers_rows(const OnnxNode& node) {
  if (node.inputs.size() != 2 || !node.inputs[0].constant || node.inputs[1].constant) return false;
  const TensorType& table = node.inputs[0].type;
  const auto axis = node.attrs.find("axis");
  return table.dtype == DType::kF32 && table.shape.rank == 2 &&
         (axis == node.attrs.end() || axis->second == Attr(int64_t{0}));
}

}  // namespace q
