// Two operands combined element by element, broadcast as numpy does.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

// The common shape of two inputs. Throws when an extent of one is neither that of the other nor 1, or when
// min > max.
std::vector<Shape> infer_binary(const Attrs& attrs, std::span<const TensorType> in);

// The attributes of all of them.
inline constexpr AttrSpec kBinaryAttrs[] = {
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

// The output as rows: in each an operand moves by one element or stays.
struct Broadcast {
  struct Axis {
    int64_t extent, a_step, b_step;  // steps in elements
  };
  int64_t rows = 1;
  Axis row{1, 1, 1};
  int outer_rank = 0;
  std::array<Axis, kMaxRank> outer{};  // the last one moves fastest
};

Broadcast broadcast(const Shape& a, const Shape& b, const Shape& out);

// kernel(a, b, n, out) on n elements that lie side by side, an operand that stays first being spread over a
// small block.
template <typename T, typename Kernel>
void run_row_piece(const Broadcast& plan, const T* a, const T* b, int64_t n, T* out, const Kernel& kernel) {
  if (plan.row.a_step == 1 && plan.row.b_step == 1) return kernel(a, b, static_cast<size_t>(n), out);
  constexpr int64_t kBlock = 256;
  T block[kBlock];
  std::fill_n(block, std::min(n, kBlock), plan.row.a_step == 0 ? *a : *b);
  for (int64_t i = 0; i < n; i += kBlock) {
    const size_t count = static_cast<size_t>(std::min(n - i, kBlock));
    if (plan.row.a_step == 0)
      kernel(block, b + i, count, out + i);
    else
      kernel(a + i, block, count, out + i);
  }
}

// kernel(a, b, n, out) over whole tensors of T.
template <typename T, typename Kernel>
Run compile_broadcast(const CompileCall& call, const Kernel& kernel) {
  static constexpr int64_t kGrain = 1 << 14;  // elements
  if (call.in[0].shape == call.in[1].shape) {
    return compile_parts(call, kGrain, [kernel](const RunCall& run, int64_t first, int64_t count) {
      kernel(run.in[0].as<T>() + first, run.in[1].as<T>() + first, static_cast<size_t>(count),
             run.out[0].as<T>() + first);
    });
  }
  const Broadcast plan = broadcast(call.in[0].shape, call.in[1].shape, call.out[0].shape);
  return [plan, kernel](const RunCall& run) {
    const T *a = run.in[0].as<T>(), *b = run.in[1].as<T>();
    T* out = run.out[0].as<T>();
    const int64_t piece = std::clamp<int64_t>(plan.row.extent, 1, kGrain);
    const int64_t pieces = (plan.row.extent + piece - 1) / piece;
    parallel_blocks(plan.rows * pieces, kGrain / piece, [&](int64_t first, int64_t end) {
      for (int64_t item = first; item < end; ++item) {
        const int64_t row = item / pieces, begin = item % pieces * piece;
        int64_t a_at = begin * plan.row.a_step, b_at = begin * plan.row.b_step, rest = row;
        for (int axis = plan.outer_rank; axis-- > 0;) {
          const Broadcast::Axis& outer = plan.outer[static_cast<size_t>(axis)];
          a_at += rest % outer.extent * outer.a_step;
          b_at += rest % outer.extent * outer.b_step;
          rest /= outer.extent;
        }
        run_row_piece(plan, a + a_at, b + b_at, std::min(piece, plan.row.extent - begin),
                      out + row * plan.row.extent + begin, kernel);
      }
    });
  };
}

using BinaryF32 = void (*)(const float* a, const float* b, size_t n, float lo, float hi, float* out);
// f(a, b) clamped to [lo, hi], where f is one operation of IEEE: one loop gives the same bits on all
// instruction sets. A NaN stays one.
template <auto f>
void clamped_binary_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  for (size_t i = 0; i < n; ++i) {
    const float x = f(a[i], b[i]), above = x < lo ? lo : x;
    out[i] = above > hi ? hi : above;
  }
}

// The float form of an operator with attributes min and max. Throws unless both inputs are f32.
Run compile_binary_f32(const CompileCall& call, BinaryF32 kernel);

}  // namespace q
