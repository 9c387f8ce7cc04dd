#include "ops/shared/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "base/parallel.h"
#include "ops/shared/u8.h"

namespace q {

namespace {

// put(i, finish(x - max, sum)) for each element.
template <typename Get, typename Finish, typename Put>
void softmax_row(int64_t extent, const Get& get, const Finish& finish, const Put& put) {
  double greatest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < extent; ++i) {
    const double x = get(i);
    if (x > greatest || std::isnan(x)) greatest = x;
  }
  double sum = 0;
  for (int64_t i = 0; i < extent; ++i) sum += q::exp(get(i) - greatest);
  const auto finished = finish(sum);
  for (int64_t i = 0; i < extent; ++i) put(i, static_cast<float>(finished(get(i) - greatest)));
}

// What becomes of x - max, given the sum.
constexpr auto kShare = [](double sum) { return [sum](double x) { return q::exp(x) / sum; }; };
constexpr auto kLogShare = [](double sum) { return [log = q::log(sum)](double x) { return x - log; }; };

template <typename T, typename Finish, typename FromIn, typename ToOut>
Run compile(const SoftmaxRows& rows, const Finish& finish, const FromIn& from_in, const ToOut& to_out) {
  constexpr int64_t kGrain = 1 << 10;  // elements: two exponentials each
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, rows.extent));
  return [=](const RunCall& run) {
    const T* in = run.in[0].as<T>();
    T* out = run.out[0].as<T>();
    parallel_blocks(rows.count, grain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row) {
        const int64_t start = rows.start(row);
        softmax_row(
            rows.extent, [&](int64_t i) -> double { return from_in(in[start + i * rows.step]); }, finish,
            [&](int64_t i, float y) { out[start + i * rows.step] = to_out(y); });
      }
    });
  };
}

template <typename Finish>
Run compile_f32(const SoftmaxRows& rows, const Finish& finish) {
  return compile<float>(
      rows, finish, [](float x) { return x; }, [](float y) { return y; });
}

template <typename Finish>
Run compile_u8(const CompileCall& call, const SoftmaxRows& rows, const Finish& finish) {
  const AffineU8 from = affine_of(call.in[0], "input"), to = affine_of(call.out[0], "output");
  const int32_t lo = call.out[0].qparams->quant_min, hi = call.out[0].qparams->quant_max;
  return compile<uint8_t>(
      rows, finish, [from](uint8_t q) { return dequantize_value(q, from.scale, from.zero_point); },
      [to, lo, hi](float y) {
        return static_cast<uint8_t>(quantize_value(y, to.scale, to.zero_point, lo, hi));
      });
}

}  // namespace

Run compile_softmax_f32(const CompileCall&, const SoftmaxRows& rows) { return compile_f32(rows, kShare); }
Run compile_softmax_u8(const CompileCall& call, const SoftmaxRows& rows) {
  return compile_u8(call, rows, kShare);
}
Run compile_log_softmax_f32(const CompileCall&, const SoftmaxRows& rows) {
  return compile_f32(rows, kLogShare);
}
Run compile_log_softmax_u8(const CompileCall& call, const SoftmaxRows& rows) {
  return compile_u8(call, rows, kLogShare);
}

}  // namespace q
