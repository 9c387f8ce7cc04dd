// Operands combined element by element, broadcast as numpy does.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/shared/u8.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

// The common shape of all inputs. Throws when an extent of one is neither that of the others nor 1.
std::vector<Shape> infer_broadcast(const Attrs& attrs, std::span<const TensorType> in);
// The same for operators with attributes min and max. Throws when min > max, too.
std::vector<Shape> infer_binary(const Attrs& attrs, std::span<const TensorType> in);

// The attributes of those.
inline constexpr AttrSpec kBinaryAttrs[] = {
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

// The output as rows: in each an operand moves by one element or stays.
struct Broadcast {
  size_t operands = 0;
  int64_t rows = 1, extent = 1;    // how many rows, and the elements of each
  std::vector<int64_t> row_steps;  // per operand: 1, or 0 where it stays
  std::vector<int64_t> outer;      // extents of the axes over the rows, the last of which moves fastest
  std::vector<int64_t> steps;      // [outer][operands], in elements

  // Where the operands [first, first + count) of a row begin.
  void locate(int64_t row, size_t first, size_t count, int64_t* at) const {
    std::fill_n(at, count, 0);
    for (size_t axis = outer.size(); axis-- > 0; row /= outer[axis]) {
      const int64_t* step = steps.data() + axis * operands + first;
      for (size_t i = 0; i < count; ++i) at[i] += row % outer[axis] * step[i];
    }
  }
};

Broadcast broadcast(std::span<const TensorType> in, const Shape& out);

inline constexpr int64_t kBroadcastGrain = 1 << 14;  // elements of a block of work
inline constexpr int64_t kBroadcastBlock = 256;      // elements of an operand that are spread or kept at once

// body(row, begin, count) over all rows, in pieces of at most `most` elements.
template <typename Body>
void for_each_piece(const Broadcast& plan, int64_t most, const Body& body) {
  const int64_t piece = std::clamp<int64_t>(plan.extent, 1, most), pieces = (plan.extent + piece - 1) / piece;
  parallel_blocks(plan.rows * pieces, kBroadcastGrain / piece, [&](int64_t first, int64_t end) {
    for (int64_t item = first; item < end; ++item) {
      const int64_t begin = item % pieces * piece;
      body(item / pieces, begin, std::min(piece, plan.extent - begin));
    }
  });
}

// kernel(x, n, out) on n elements that lie side by side, an operand that stays first being spread over a
// small block.
template <typename T, size_t N, typename Kernel>
void run_row_piece(const Broadcast& plan, std::array<const T*, N> x, int64_t n, T* out,
                   const Kernel& kernel) {
  if (std::ranges::all_of(plan.row_steps, [](int64_t step) { return step == 1; }))
    return kernel(x, static_cast<size_t>(n), out);
  T spread[N][kBroadcastBlock];
  for (size_t k = 0; k < N; ++k)
    if (plan.row_steps[k] == 0) std::fill_n(spread[k], std::min(n, kBroadcastBlock), *x[k]);
  for (int64_t i = 0; i < n; i += kBroadcastBlock) {
    std::array<const T*, N> block;
    for (size_t k = 0; k < N; ++k) block[k] = plan.row_steps[k] == 0 ? spread[k] : x[k] + i;
    kernel(block, static_cast<size_t>(std::min(n - i, kBroadcastBlock)), out + i);
  }
}

// kernel(x, n, out) over whole tensors of T, x being n elements of each of the N inputs.
template <typename T, size_t N, typename Kernel>
Run compile_broadcast_of(const CompileCall& call, const Kernel& kernel) {
  const auto pointers = [](const RunCall& run) {
    std::array<const T*, N> x;
    for (size_t k = 0; k < N; ++k) x[k] = run.in[k].as<T>();
    return x;
  };
  if (std::ranges::all_of(call.in, [&](const TensorType& in) { return in.shape == call.out[0].shape; })) {
    return compile_parts(call, kBroadcastGrain, [=](const RunCall& run, int64_t first, int64_t count) {
      std::array<const T*, N> x = pointers(run);
      for (const T*& each : x) each += first;
      kernel(x, static_cast<size_t>(count), run.out[0].as<T>() + first);
    });
  }
  auto plan = std::make_shared<const Broadcast>(broadcast(call.in, call.out[0].shape));
  return [plan, pointers, kernel](const RunCall& run) {
    for_each_piece(*plan, kBroadcastGrain, [&](int64_t row, int64_t begin, int64_t count) {
      std::array<const T*, N> x = pointers(run);
      std::array<int64_t, N> at;
      plan->locate(row, 0, N, at.data());
      for (size_t k = 0; k < N; ++k) x[k] += at[k] + begin * plan->row_steps[k];
      run_row_piece(*plan, x, count, run.out[0].as<T>() + row * plan->extent + begin, kernel);
    });
  };
}

// kernel(a, b, n, out) over whole tensors of T.
template <typename T, typename Kernel>
Run compile_broadcast(const CompileCall& call, const Kernel& kernel) {
  return compile_broadcast_of<T, 2>(
      call, [kernel](const std::array<const T*, 2>& x, size_t n, T* out) { kernel(x[0], x[1], n, out); });
}

// Any number of inputs, one after the other, by blocks of kept values: take(i, x, n, kept) for each input i,
// then give(kept, n, out).
template <typename T, typename Kept, typename Take, typename Give>
Run compile_fold(const CompileCall& call, const Take& take, const Give& give) {
  auto plan = std::make_shared<const Broadcast>(broadcast(call.in, call.out[0].shape));
  return [plan, take, give](const RunCall& run) {
    for_each_piece(*plan, kBroadcastBlock, [&](int64_t row, int64_t begin, int64_t count) {
      constexpr size_t kGroup = 16;  // operands that are located at once
      T spread[kBroadcastBlock];
      Kept kept[kBroadcastBlock];
      int64_t at[kGroup];
      for (size_t i = 0; i < plan->operands; ++i) {
        if (i % kGroup == 0) plan->locate(row, i, std::min(kGroup, plan->operands - i), at);
        const T* x = run.in[i].as<T>() + at[i % kGroup] + begin * plan->row_steps[i];
        if (plan->row_steps[i] == 0) x = std::fill_n(spread, count, *x) - count;
        take(i, x, static_cast<size_t>(count), kept);
      }
      give(kept, static_cast<size_t>(count), run.out[0].as<T>() + row * plan->extent + begin);
    });
  };
}

// Throws unless all inputs are f32.
void check_f32(const CompileCall& call);

using BinaryF32 = void (*)(const float* a, const float* b, size_t n, float lo, float hi, float* out);
// f(a, b) clamped to [lo, hi], where f is one operation of IEEE: one loop gives the same bits on all
// instruction sets. A NaN stays one.
template <auto f>
void clamped_binary_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  fill_with(static_cast<int64_t>(n), out, [=](int64_t i) {
    const float x = f(a[i], b[i]), above = x < lo ? lo : x;
    return above > hi ? hi : above;
  });
}

// The float form of an operator with attributes min and max. Throws unless both inputs are f32.
Run compile_binary_f32(const CompileCall& call, BinaryF32 kernel);

// The float form of f(a, b), which the compiler can see into.
template <typename F>
Run compile_pairs_f32(const CompileCall& call, const F& f) {
  check_f32(call);
  return compile_broadcast<float>(call, [f](const float* a, const float* b, size_t n, float* out) {
    fill_with(static_cast<int64_t>(n), out, [&](int64_t i) { return f(a[i], b[i]); });
  });
}

// Q(f(D(a), D(b))), rounded to binary32 after each step.
template <typename F>
Run compile_pairs_quant(const CompileCall& call, const ToU8& to, const F& f) {
  const AffineU8 a = affine_of(call.in[0], "a"), b = affine_of(call.in[1], "b");
  const auto kernel = [=, reals = call.kernels.dequantize_u8, levels = call.kernels.quantize_u8](
                          const uint8_t* x, const uint8_t* y, size_t n, uint8_t* out) {
    float left[kBroadcastBlock], right[kBroadcastBlock];
    for (size_t first = 0; first < n; first += kBroadcastBlock) {
      const size_t count = std::min<size_t>(kBroadcastBlock, n - first);
      reals(x + first, count, a, left);
      reals(y + first, count, b, right);
      fill_with(static_cast<int64_t>(count), left, [&](int64_t i) { return f(left[i], right[i]); });
      levels(left, count, to, out + first);
    }
  };
  return compile_broadcast<uint8_t>(call, kernel);
}

// Both forms of an operator whose only meaning is `function`, a float of two.
template <auto function>
Run compile_function_of_two(const CompileCall& call) {
  return compile_pairs_f32(call, [](float a, float b) { return function(a, b); });
}
template <auto function>
Run compile_integers_of_two(const CompileCall& call) {
  return compile_pairs_quant(call, to_u8_of(call.out[0]), [](float a, float b) { return function(a, b); });
}

}  // namespace q
