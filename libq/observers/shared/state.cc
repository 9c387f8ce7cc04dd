#include "observers/shared/state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/parallel.h"
#include "base/text.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 15;  // values worth another thread's start

}  // namespace

Tensor& own(Tensor& tensor) {
  if (tensor.data.use_count() > 1) {
    Tensor copy = make_tensor(tensor.type);
    std::memcpy(copy.data.get(), tensor.data.get(), bytes(tensor.type.dtype, tensor.type.shape));
    tensor = std::move(copy);
  }
  return tensor;
}

Tensor make_counts() { return make_tensor(DType::kI64, {2}); }

Tensor make_ranges(const Shape& shape, float value) {
  Tensor tensor = make_tensor(DType::kF32, shape);
  std::fill_n(tensor.as<float>(), elements(shape), value);
  return tensor;
}

int64_t finite_count(const ObserverState& state) { return state.back().as<int64_t>()[0]; }
int64_t non_finite_count(const ObserverState& state) { return state.back().as<int64_t>()[1]; }

void add_counts(ObserverState& into, int64_t finite, int64_t non_finite) {
  int64_t both;
  if (__builtin_add_overflow(finite, finite_count(into), &finite) ||
      __builtin_add_overflow(non_finite, non_finite_count(into), &non_finite) ||
      __builtin_add_overflow(finite, non_finite, &both))
    throw Error(ErrorKind::kInvalid, "more values than can be counted");
  int64_t* counts = own(into.back()).as<int64_t>();
  counts[0] = finite;
  counts[1] = non_finite;
}

void check_values(View values) {
  if (values.dtype != DType::kF32)
    throw Error(ErrorKind::kUsage, text("values to observe are ", name_of(values.dtype), ", wanted f32"));
}

MinMaxF32 find_range(View values, const Kernels& kernels) {
  check_values(values);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const int64_t count = elements(values.shape);
  const int64_t blocks = std::clamp<int64_t>(count / kGrain, 1, thread_count()),
                length = (count + blocks - 1) / blocks;
  std::vector<MinMaxF32> found(static_cast<size_t>(blocks), {kInfinity, -kInfinity, 0});
  parallel_for(blocks, [&](int64_t block) {
    const int64_t first = std::min(block * length, count), end = std::min(first + length, count);
    kernels.minmax_f32(values.as<float>() + first, static_cast<size_t>(end - first),
                       &found[static_cast<size_t>(block)]);
  });
  MinMaxF32 all = found[0];
  for (size_t i = 1; i < found.size(); ++i)
    all = {std::min(all.lo, found[i].lo), std::max(all.hi, found[i].hi),
           all.non_finite + found[i].non_finite};
  return all;
}

void check_size(const ObserverState& state, std::span<const std::string_view> fields) {
  if (state.size() != fields.size())
    throw Error(ErrorKind::kInvalid, text(state.size(), " tensors, wanted ", fields.size()));
}

void check_tensor(const Tensor& tensor, std::string_view field, DType dtype, const Shape& shape) {
  if (tensor.type.dtype != dtype || tensor.type.shape != shape || tensor.type.qparams)
    throw Error(ErrorKind::kInvalid,
                text(field, " is ", name_of(tensor.type.dtype), ' ', to_string(tensor.type.shape),
                     ", wanted ", name_of(dtype), ' ', to_string(shape)));
}

void check_counts(const Tensor& counts) {
  check_tensor(counts, "counts", DType::kI64, {2});
  const int64_t finite = counts.as<int64_t>()[0], others = counts.as<int64_t>()[1];
  int64_t both;
  if (finite < 0 || others < 0 || __builtin_add_overflow(finite, others, &both))
    throw Error(ErrorKind::kInvalid,
                text("counts are ", finite, " and ", others, ", wanted numbers of values"));
}

bool check_range(float lo, float hi) {
  if (lo == std::numeric_limits<float>::infinity() && hi == -lo) return false;
  const bool negative_zero = (lo == 0 && std::signbit(lo)) || (hi == 0 && std::signbit(hi));
  if (!std::isfinite(lo) || !std::isfinite(hi) || lo > hi || negative_zero)
    throw Error(ErrorKind::kInvalid, text("range is ", number(lo), " to ", number(hi),
                                          ", wanted finite, in order and without a negative zero"));
  return true;
}

void check_method(const Observation& observation, std::span<const std::string_view> methods) {
  if (std::ranges::find(methods, observation.method) != methods.end()) return;
  std::string wanted;
  for (std::string_view method : methods) wanted += text(wanted.empty() ? "" : ", ", method);
  throw Error(ErrorKind::kInvalid, text("observer ", observation.observer, " has no method ",
                                        observation.method, ", wanted ", wanted));
}

}  // namespace q
