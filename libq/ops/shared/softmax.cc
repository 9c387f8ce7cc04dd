#include "ops/shared/softmax.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "base/parallel.h"
#include "ops/shared/lines.h"
#include "ops/shared/move.h"
#include "ops/shared/u8.h"

namespace q {

namespace {

constexpr int64_t kBlock = 256;  // elements that are on the stack at a time; a multiple of kLanes
constexpr int64_t kLanes = 16;

// body(first, n) for the blocks of a row.
template <typename Body>
void for_blocks(int64_t extent, const Body& body) {
  for (int64_t first = 0; first < extent; first += kBlock) body(first, std::min(kBlock, extent - first));
}

// A sum in binary64: element i is added to lane i % 16, and the lanes by halves.
class LaneSum {
 public:
  // The next ones, as many as a multiple of the lanes but for the last. By four lanes, which fit in
  // registers.
  void add(const float* x, int64_t n) {
    constexpr int64_t kTogether = 4;
    const int64_t whole = n / kLanes * kLanes;
    for (int64_t lane = 0; lane < kLanes; lane += kTogether) {
      double sum[kTogether];
      for (int64_t i = 0; i < kTogether; ++i) sum[i] = lanes_[lane + i];
      for (int64_t first = lane; first < whole; first += kLanes)
        for (int64_t i = 0; i < kTogether; ++i) sum[i] += x[first + i];
      for (int64_t i = 0; i < kTogether; ++i) lanes_[lane + i] = sum[i];
    }
    for (int64_t i = whole; i < n; ++i) lanes_[i - whole] += x[i];
  }
  double total() const {
    std::array<double, kLanes> sum = lanes_;
    for (size_t half = kLanes / 2; half > 0; half /= 2)
      for (size_t i = 0; i < half; ++i) sum[i] += sum[i + half];
    return sum[0];
  }

 private:
  std::array<double, kLanes> lanes_ = {};
};

template <typename T>
struct Row {
  const T* in;
  T* out;
  int64_t extent, step;

  // n elements of `from` side by side: where they are, or else in the buffer.
  const T* load(const T* from, int64_t first, int64_t n, T* buffer) const {
    if (step == 1) return from + first;
    for (int64_t i = 0; i < n; ++i) buffer[i] = from[(first + i) * step];
    return buffer;
  }
  // Where elements of the output are to be made, which stored() then puts where they belong.
  T* place(int64_t first, T* buffer) const { return step == 1 ? out + first : buffer; }
  void stored(const T* made, int64_t first, int64_t n) const {
    if (step == 1) return;
    for (int64_t i = 0; i < n; ++i) out[(first + i) * step] = made[i];
  }
};

template <typename T, typename Body>
Run for_rows(const SoftmaxRows& rows, const Body& body) {
  constexpr int64_t kGrain = 1 << 13;  // elements: some ten microseconds
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, rows.extent));
  return [=](const RunCall& run) {
    const T* in = run.in[0].as<T>();
    T* out = run.out[0].as<T>();
    parallel_blocks(rows.count, grain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row) {
        const int64_t start = rows.start(row);
        body(Row<T>{in + start, out + start, rows.extent, rows.step});
      }
    });
  };
}

// ---- reals ----

struct RealKernels {
  decltype(Kernels::minmax_f32) minmax;
  decltype(Kernels::exp_f32) exp;
  decltype(Kernels::mul_f32) mul;
  explicit RealKernels(const Kernels& kernels)
      : minmax(kernels.minmax_f32), exp(kernels.exp_f32), mul(kernels.mul_f32) {}
};

// The greatest finite element; -inf where there is none. A NaN shows in the sum, like inf - inf.
float greatest(const RealKernels& kernels, const Row<float>& row) {
  MinMaxF32 range = {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 0};
  float buffer[kBlock];
  for_blocks(row.extent, [&](int64_t first, int64_t n) {
    kernels.minmax(row.load(row.in, first, n, buffer), static_cast<size_t>(n), &range);
  });
  return range.hi;
}

// The sum of exp(x - shift). place(first, buffer) says where a block of them is made, and stored(e, first, n)
// is told when it is.
template <typename Place, typename Stored>
double sum_of_exp(const RealKernels& kernels, const Row<float>& row, float shift, const Place& place,
                  const Stored& stored) {
  LaneSum sum;
  float buffer[kBlock];
  for_blocks(row.extent, [&](int64_t first, int64_t n) {
    float* e = place(first, buffer);
    kernels.exp(row.load(row.in, first, n, buffer), static_cast<size_t>(n), shift, e);
    sum.add(e, n);
    stored(e, first, n);
  });
  const double total = sum.total();
  // Only +inf among the elements makes it infinite: that would be the greatest, and inf - inf is no number.
  return std::isinf(total) ? std::numeric_limits<double>::quiet_NaN() : total;
}

void softmax(const RealKernels& kernels, const Row<float>& row) {
  const double sum = sum_of_exp(
      kernels, row, greatest(kernels, row),
      [&](int64_t first, float* buffer) { return row.place(first, buffer); },
      [&](const float* e, int64_t first, int64_t n) { row.stored(e, first, n); });
  float inverse[kBlock], buffer[kBlock];
  std::fill_n(inverse, std::min(kBlock, row.extent), static_cast<float>(1 / sum));
  for_blocks(row.extent, [&](int64_t first, int64_t n) {
    float* y = row.place(first, buffer);
    kernels.mul(row.load(row.out, first, n, buffer), inverse, static_cast<size_t>(n), 0, 1, y);
    row.stored(y, first, n);
  });
}

void log_softmax(const RealKernels& kernels, const Row<float>& row) {
  const float shift = greatest(kernels, row);
  const double log = q::log(sum_of_exp(
      kernels, row, shift, [](int64_t, float* buffer) { return buffer; },
      [](const float*, int64_t, int64_t) {}));
  for (int64_t i = 0; i < row.extent * row.step; i += row.step)
    row.out[i] = static_cast<float>(row.in[i] - static_cast<double>(shift) - log);
}

// ---- integers ----

// What depends on the distance to the greatest integer of a row alone: at 255 - k what belongs to k less.
struct Distances {
  std::array<double, 256> x;   // -k * scale
  std::array<float, 256> exp;  // of that

  explicit Distances(float scale) {
    for (size_t k = 0; k < 256; ++k) {
      x[255 - k] = -(static_cast<double>(k) * static_cast<double>(scale));
      exp[255 - k] = static_cast<float>(q::exp(x[255 - k]));
    }
  }
};

uint8_t greatest(const Row<uint8_t>& row) {
  std::array<uint8_t, kLanes> most = {}, next;
  uint8_t buffer[kBlock];
  for_blocks(row.extent, [&](int64_t first, int64_t n) {
    const uint8_t* q = row.load(row.in, first, n, buffer);
    for (; n >= kLanes; n -= kLanes, q += kLanes) {
      std::copy_n(q, kLanes, next.begin());
      for (size_t i = 0; i < kLanes; ++i) most[i] = std::max(most[i], next[i]);
    }
    for (int64_t i = 0; i < n; ++i) most[0] = std::max(most[0], q[i]);
  });
  return *std::max_element(most.begin(), most.end());
}

// What becomes of a distance, given the sum.
constexpr auto kShare = [](const Distances& distances, double sum) {
  return
      [&exp = distances.exp, inverse = static_cast<float>(1 / sum)](size_t at) { return exp[at] * inverse; };
};
constexpr auto kLogShare = [](const Distances& distances, double sum) {
  return [&x = distances.x, log = q::log(sum)](size_t at) { return static_cast<float>(x[at] - log); };
};

template <typename Finish>
Run compile_u8(const CompileCall& call, const SoftmaxRows& rows, const Finish& finish) {
  const Distances distances(affine_of(call.in[0], "input").scale);
  const ToU8 to = to_u8_of(call.out[0]);
  return for_rows<uint8_t>(rows, [=, quantize = call.kernels.quantize_u8](const Row<uint8_t>& row) {
    const auto at = [&row, top = size_t{255} - greatest(row)](int64_t i) {
      return top + row.in[i * row.step];
    };
    LaneSum sum;
    float y[kBlock];
    for_blocks(row.extent, [&](int64_t first, int64_t n) {
      for (int64_t i = 0; i < n; ++i) y[i] = distances.exp[at(first + i)];
      sum.add(y, n);
    });
    const auto finished = finish(distances, sum.total());
    uint8_t buffer[kBlock];
    for_blocks(row.extent, [&](int64_t first, int64_t n) {
      for (int64_t i = 0; i < n; ++i) y[i] = finished(at(first + i));
      uint8_t* levels = row.place(first, buffer);
      quantize(y, static_cast<size_t>(n), to, levels);
      row.stored(levels, first, n);
    });
  });
}

}  // namespace

SoftmaxRows softmax_along_axis(const CompileCall& call) {
  const Shape& shape = call.out[0].shape;
  const int axis = line_axis(call.attrs, shape);
  const int64_t step = product(shape, axis + 1, shape.rank);
  return {product(shape, 0, axis) * step, shape[axis], step};
}

SoftmaxRows softmax_over_axes(const CompileCall& call) {
  const Shape& shape = call.out[0].shape;
  const int axis = line_axis(call.attrs, shape);
  return {product(shape, 0, axis), product(shape, axis, shape.rank), 1};
}

bool map_onnx_softmax(OnnxNode& node) {
  if (node.opset >= 13) return node.attrs.emplace("axis", int64_t{-1}), true;
  return !map_onnx_flat_softmax(node);
}

bool map_onnx_flat_softmax(OnnxNode& node) {
  if (node.opset >= 13) return false;
  node.attrs.emplace("axis", int64_t{1});
  const Shape& shape = node.inputs.at(0).type.shape;
  return product(shape, line_axis(node.attrs, shape) + 1, shape.rank) != 1;
}

Run compile_softmax_f32(const CompileCall& call, const SoftmaxRows& rows) {
  return for_rows<float>(
      rows, [kernels = RealKernels(call.kernels)](const Row<float>& row) { softmax(kernels, row); });
}
Run compile_softmax_u8(const CompileCall& call, const SoftmaxRows& rows) {
  return compile_u8(call, rows, kShare);
}
Run compile_log_softmax_f32(const CompileCall& call, const SoftmaxRows& rows) {
  return for_rows<float>(
      rows, [kernels = RealKernels(call.kernels)](const Row<float>& row) { log_softmax(kernels, row); });
}
Run compile_log_softmax_u8(const CompileCall& call, const SoftmaxRows& rows) {
  return compile_u8(call, rows, kLogShare);
}

}  // namespace q
