// Functions of every element by itself: an operator gives the function, this gives it its loop or its table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
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

// out[i] = f(i) for i below count, in batches of a length the compiler knows: else it would not make vector
// instructions of them, which is most of the speed of cheap functions. What f reads may be what is
// overwritten.
template <typename T, typename F>
void fill_with(int64_t count, T* out, const F& f) {
  constexpr int64_t kBatch = 16;
  int64_t first = 0;
  for (; first + kBatch <= count; first += kBatch) {
    T batch[kBatch];
    for (int64_t i = 0; i < kBatch; ++i) batch[i] = f(first + i);
    std::copy_n(batch, kBatch, out + first);
  }
  for (; first < count; ++first) out[first] = f(first);
}

// y = f(x), for an f that the compiler can see into.
template <typename F>
Run compile_elementwise(const CompileCall& call, const F& f) {
  constexpr int64_t kGrain = 1 << 12;  // elements: microseconds even for an exponential
  return compile_parts(call, kGrain, [f](const RunCall& run, int64_t first, int64_t count) {
    const float* x = run.in[0].as<float>() + first;
    fill_with(count, run.out[0].as<float>() + first, [&](int64_t i) { return f(x[i]); });
  });
}

// What an operator does to an element, as its OpDef::f32 and its OpDef::unary: `function` is a float of a
// float, or makes one of the attributes.
template <auto function>
auto function_of([[maybe_unused]] const Attrs& attrs) {
  if constexpr (std::is_invocable_v<decltype(function), const Attrs&>)
    return function(attrs);
  else
    return [](float x) { return function(x); };
}
template <auto function>
Run compile_function(const CompileCall& call) {
  return compile_elementwise(call, function_of<function>(call.attrs));
}
template <auto function>
float call_function(const Attrs& attrs, float x) noexcept {
  return function_of<function>(attrs)(x);
}

// A function of base/math.h, in binary64, narrowed once.
template <double (*f)(double)>
float narrowed(float x) {
  return static_cast<float>(f(static_cast<double>(x)));
}

// min(max(x, lo), hi) on float32; a NaN stays one.
Run compile_clamp_f32(const CompileCall& call, float lo, float hi);
// The operator's `unary` on float32. Precondition: there is one.
Run compile_unary_f32(const OpDef& op, const CompileCall& call);
// The operator's `unary` from u8 to u8 by a table rounded from it. Precondition: there is one.
Run compile_table(const OpDef& op, const CompileCall& call);

}  // namespace q
