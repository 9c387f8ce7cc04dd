// Functions of every element by itself: an operator gives the function, this gives it its loop or its table.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "q/op.h"

namespace q {

// A Run that is made of parts: body(call, first, count) computes so many elements from `first` on. `grain`
// elements make a block of work.
template <typename Body>
Run compile_parts(const CompileCall& call, int64_t grain, const Body& body) {
  Run run = [count = elements(call.out[0].shape), grain, body](const RunCall& operands) {
    parallel_blocks(count, grain, [&](int64_t first, int64_t end) { body(operands, first, end - first); });
  };
  run.part = [body](const RunCall& operands, const Part& part) {
    for (int64_t line = 0; line < part.lines; ++line)
      body(operands, part.first + line * part.stride, part.count);
  };
  return run;
}

// The shape of the first input.
std::vector<Shape> infer_same(const Attrs& attrs, std::span<const TensorType> in);

// y = f(x), for an f that the compiler can see into.
template <typename F>
Run compile_elementwise(const CompileCall& call, const F& f) {
  constexpr int64_t kGrain = 1 << 12;  // elements: microseconds even for an exponential
  return compile_parts(call, kGrain, [f](const RunCall& run, int64_t first, int64_t count) {
    const float* x = run.in[0].as<float>() + first;
    float* y = run.out[0].as<float>() + first;
    for (int64_t i = 0; i < count; ++i) y[i] = f(x[i]);
  });
}

// min(max(x, lo), hi) on float32; a NaN stays one.
Run compile_clamp_f32(const CompileCall& call, float lo, float hi);
// The operator's `unary` on float32. Precondition: there is one.
Run compile_unary_f32(const OpDef& op, const CompileCall& call);
// The operator's `unary` from u8 to u8 by a table rounded from it. Precondition: there is one.
Run compile_table(const OpDef& op, const CompileCall& call);

}  // namespace q
