// Reductions: every output is one number made from the elements along some axes.
// A reduction is a program(block, y) over outputs that lie side by side: it folds their elements, once or
// several times, into y[0 … block.outputs()). Elements are taken in one order, in binary64 unless a fold says
// otherwise: where the last axis is reduced, in kLanes sums that are added as a tree, else one by one. Which
// of both depends on the axes alone, never on extents, threads or the processor.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

// The attributes of all of them.
inline constexpr AttrSpec kReduceAttrs[] = {
    {"axes", "the axes over which it goes; none: all", AttrKind::kInts, "none"},
    {"keepdims", "0: leave these axes out, 1: keep them with extent 1", AttrKind::kInt, "1"},
};

// For operators with attributes axes and keepdims; of such an operator only these axes must hold an element.
std::vector<Shape> infer_reduce(const Attrs& attrs, std::span<const TensorType> in);
void samples_reduce(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
// How many elements make a result, negative when that is free.
int64_t reduced_elements(const Attrs& attrs, const Shape& shape);
// True where the reduced axes are the last ones.
bool reduces_last_axes(const Attrs& attrs, int rank);
// ONNX's Reduce…: axes are an attribute or, in later opsets, an input.
bool map_reduce(OnnxNode& node);

// The input's axes, row-major, neighbours joined that are both reduced or both kept.
struct ReducePlan {
  struct Axis {
    int64_t extent, step;
  };
  struct Axes {
    int rank = 0;
    std::array<Axis, kMaxRank> of{};  // the last one moves fastest
    int64_t count() const;
    // Where element `index` of all of them lies.
    int64_t offset(int64_t index) const;
  };
  Axes kept, reduced;          // without the last axis
  int64_t last = 1;            // extent of the last axis
  bool reduces_last = false;   // whether it is reduced
  int64_t terms = 1;           // elements of one output
  int64_t outputs_a_line = 1;  // that lie side by side in the input: `last`, or 1
};
ReducePlan plan_reduce(const CompileCall& call);

// ---- folds: start, step(folded, x, given) and merge(folded, folded) ----

template <typename Term>
struct SumOf {
  using State = double;
  static constexpr double start = 0;
  Term term;  // of an element and what is given for its output
  double step(double sum, double x, double given) const { return sum + term(x, given); }
  static double merge(double a, double b) { return a + b; }
};
template <typename Term>
SumOf(Term) -> SumOf<Term>;

// Greatest (sign 1) or least (sign -1); a NaN stays one.
template <int sign>
struct Extreme {
  using State = float;
  static constexpr float start = -sign * std::numeric_limits<float>::infinity();
  static float merge(float a, float b) { return !(sign * b <= sign * a) && a == a ? b : a; }
  static float step(float a, float x, double) { return merge(a, x); }
};

inline constexpr int64_t kLanes = 16;
inline constexpr int64_t kMostOutputs = 64;

// Up to kMostOutputs outputs that lie side by side.
template <typename T, typename Load>
class ReduceBlock {
 public:
  ReduceBlock(const ReducePlan& plan, const Load& load, const T* first, int64_t outputs)
      : plan_(plan), load_(load), first_(first), outputs_(outputs) {}

  int64_t outputs() const { return outputs_; }
  double terms() const { return static_cast<double>(plan_.terms); }

  // y[i] = all elements of output i folded; given: a number for each output, which may be y.
  template <typename Fold>
  void fold(const Fold& fold, const double* given, double* y) const {
    using State = typename Fold::State;
    if (plan_.reduces_last) {
      *y = static_cast<double>(fold_rows(fold, *given));
      return;
    }
    State state[kMostOutputs];
    std::fill_n(state, outputs_, State{Fold::start});
    const int64_t rows = plan_.reduced.count();
    for (int64_t row = 0; row < rows; ++row) {
      const T* x = first_ + plan_.reduced.offset(row);
      for (int64_t i = 0; i < outputs_; ++i) state[i] = fold.step(state[i], load_(x[i]), given[i]);
    }
    std::copy_n(state, outputs_, y);
  }
  template <typename Fold>
  void fold(const Fold& each, double* y) const {
    static constexpr double kNothing[kMostOutputs] = {};
    fold(each, kNothing, y);
  }

 private:
  template <typename Fold>
  typename Fold::State fold_rows(const Fold& fold, double given) const {
    using State = typename Fold::State;
    State lanes[kLanes];
    std::fill_n(lanes, kLanes, State{Fold::start});
    const int64_t rows = plan_.reduced.count(), whole = plan_.last - plan_.last % kLanes;
    for (int64_t row = 0; row < rows; ++row) {
      const T* x = first_ + plan_.reduced.offset(row);
      for (int64_t i = 0; i < whole; i += kLanes)
        for (int64_t lane = 0; lane < kLanes; ++lane)
          lanes[lane] = fold.step(lanes[lane], load_(x[i + lane]), given);
      for (int64_t i = whole; i < plan_.last; ++i)
        lanes[i - whole] = fold.step(lanes[i - whole], load_(x[i]), given);
    }
    // lanes without an element hold nothing but the start
    int64_t used = kLanes;
    while (used / 2 >= plan_.last) used /= 2;
    for (int64_t half = used / 2; half > 0; half /= 2)
      for (int64_t lane = 0; lane < half; ++lane) lanes[lane] = Fold::merge(lanes[lane], lanes[lane + half]);
    return lanes[0];
  }

  const ReducePlan& plan_;
  const Load& load_;
  const T* first_;
  int64_t outputs_;
};

// The program over all outputs; put(y, n, out) stores n results that lie side by side.
template <typename T, typename Out, typename Load, typename Program, typename Put>
Run compile_reduce(const CompileCall& call, const Load& load, const Program& program, const Put& put) {
  using Block = ReduceBlock<T, Load>;
  const ReducePlan plan = plan_reduce(call);
  return [plan, load, program, put](const RunCall& run) {
    constexpr int64_t kGrain = 1 << 14;  // elements
    const int64_t line = plan.outputs_a_line, pieces = (line + kMostOutputs - 1) / kMostOutputs;
    const int64_t elements = std::min(line, kMostOutputs) * std::max<int64_t>(1, plan.terms);
    parallel_blocks(plan.kept.count() * pieces, std::max<int64_t>(1, kGrain / elements),
                    [&](int64_t first, int64_t end) {
                      for (int64_t piece = first; piece < end; ++piece) {
                        const int64_t row = piece / pieces, at = piece % pieces * kMostOutputs;
                        const Block block(plan, load, run.in[0].as<T>() + plan.kept.offset(row) + at,
                                          std::min(kMostOutputs, line - at));
                        double y[kMostOutputs];
                        std::fill_n(y, block.outputs(), 0.);
                        program(block, y);
                        put(y, block.outputs(), run.out[0].as<Out>() + row * line + at);
                      }
                    });
  };
}

// Stores results as float32; each is narrowed once.
struct PutF32 {
  void operator()(const double* y, int64_t n, float* out) const {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(y[i]);
  }
};

template <typename Program>
Run compile_reduce_f32(const CompileCall& call, const Program& program) {
  return compile_reduce<float, float>(
      call, [](float x) { return x; }, program, PutF32{});
}

// The reals of integers, exact: scale and q - z have 24 and 9 bits.
struct RealsOfU8 {
  double scale;
  int32_t zero_point;
  double operator()(uint8_t q) const { return scale * (q - zero_point); }
};

// Stores results as integers.
struct PutU8 {
  void (*quantize)(const float* x, size_t n, const ToU8&, uint8_t* out);
  ToU8 to;
  void operator()(const double* y, int64_t n, uint8_t* out) const {
    float reals[kMostOutputs];
    for (int64_t i = 0; i < n; ++i) reals[i] = static_cast<float>(y[i]);
    quantize(reals, static_cast<size_t>(n), to, out);
  }
};

// Q of the same on the reals of the input. Their sums are exact up to 2^20 elements, so in any order of the
// elements alike.
template <typename Program>
Run compile_reduce_u8(const CompileCall& call, const Program& program) {
  const AffineU8 from = affine_of(call.in[0], "input");
  return compile_reduce<uint8_t, uint8_t>(call, RealsOfU8{from.scale, from.zero_point}, program,
                                          PutU8{call.kernels.quantize_u8, to_u8_of(call.out[0])});
}

// The greatest or least element itself, also of integers, which keep their meaning.
template <int sign>
struct PickExtreme {
  template <typename Block>
  void operator()(const Block& block, double* y) const {
    block.fold(Extreme<sign>{}, y);
  }
};

}  // namespace q
