#include "ops/shared/normalize.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/lines.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"

namespace q {

namespace {

constexpr std::string_view kNames[] = {"input", "weight", "bias"};
constexpr int64_t kLanes = 16;

struct Parameters {
  std::vector<float> weight, bias;  // 1 and 0 where they are left out
};

std::shared_ptr<const Parameters> parameters_of(const CompileCall& call, int64_t count) {
  const auto values = [&](size_t i, float fallback) {
    if (i >= call.in.size()) return std::vector<float>(static_cast<size_t>(count), fallback);
    if (call.constants[i].data == nullptr || call.in[i].dtype != DType::kF32)
      throw Error(ErrorKind::kUnsupported,
                  text(kNames[i], " is ", call.constants[i].data == nullptr ? "computed " : "",
                       name_of(call.in[i].dtype), ", wanted an f32 constant"));
    return std::vector<float>(call.constants[i].as<float>(), call.constants[i].as<float>() + count);
  };
  return std::make_shared<const Parameters>(Parameters{values(1, 1), values(2, 0)});
}

// The sum of term(x[i]).
template <typename Term>
double sum_of(const float* x, int64_t n, const Term& term) {
  double lanes[kLanes] = {};
  const int64_t whole = n - n % kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(static_cast<double>(x[i + lane]));
  for (int64_t i = whole; i < n; ++i) lanes[i - whole] += term(static_cast<double>(x[i]));
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

// What is taken from each element, and what the difference is multiplied with.
struct Moments {
  double mean, factor;
};

Moments moments_of(const float* x, const GroupPlan& plan) {
  const double n = static_cast<double>(plan.n);
  const double mean = plan.centers ? sum_of(x, plan.n, [](double v) { return v; }) / n : 0;
  const double squares = sum_of(x, plan.n, [mean](double v) { return (v - mean) * (v - mean); });
  return {mean, 1 / std::sqrt(squares / n + plan.epsilon)};
}

// body(i, count) for elements i … i + count - 1: count is kLanes, and known to the compiler, but at the end.
template <typename Body>
void in_lanes(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, std::integral_constant<int64_t, kLanes>{});
  if (i < n) body(i, n - i);
}

// y = f32: (x - mean) * factor, narrowed, * weight + bias.
void scale_elements(const float* x, int64_t n, const Moments& by, const float* weight, const float* bias,
                    float* out) {
  in_lanes(n, [&](int64_t i, auto count) {
    float y[kLanes];
    for (int64_t lane = 0; lane < count; ++lane)
      y[lane] = static_cast<float>((static_cast<double>(x[i + lane]) - by.mean) * by.factor);
    for (int64_t lane = 0; lane < count; ++lane) y[lane] = y[lane] * weight[i + lane] + bias[i + lane];
    std::copy_n(y, int64_t{count}, out + i);
  });
}

// The same with one weight and bias for all.
void scale_channel(const float* x, int64_t n, const Moments& by, float weight, float bias, float* out) {
  in_lanes(n, [&](int64_t i, auto count) {
    float y[kLanes];
    for (int64_t lane = 0; lane < count; ++lane)
      y[lane] = static_cast<float>((static_cast<double>(x[i + lane]) - by.mean) * by.factor);
    for (int64_t lane = 0; lane < count; ++lane) y[lane] = y[lane] * weight + bias;
    std::copy_n(y, int64_t{count}, out + i);
  });
}

// body(group) for all groups.
template <typename Body>
void for_each_group(const GroupPlan& plan, const Body& body) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  parallel_blocks(plan.groups, std::max<int64_t>(1, kGrain / plan.n), [&](int64_t first, int64_t end) {
    for (int64_t group = first; group < end; ++group) body(group);
  });
}

// Of q, whose sums are exact. For squares that are not centered, of q - z.
Moments moments_of(const uint8_t* x, const GroupPlan& plan, double scale, int32_t zero_point) {
  constexpr int64_t kBlock = 1 << 14;  // elements: their squares add up to less than 2^31
  int64_t sum = 0, squares = 0;
  for (int64_t begin = 0; begin < plan.n; begin += kBlock) {
    int32_t sums[kLanes] = {}, square_sums[kLanes] = {};
    const uint8_t* from = x + begin;
    in_lanes(std::min(kBlock, plan.n - begin), [&](int64_t i, auto count) {
      for (int64_t lane = 0; lane < count; ++lane) {
        const int32_t q = from[i + lane];
        sums[lane] += q;
        square_sums[lane] += q * q;
      }
    });
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sum += sums[lane];
      squares += square_sums[lane];
    }
  }
  const double n = static_cast<double>(plan.n), s = static_cast<double>(sum);
  const double mean = plan.centers ? s / n : zero_point;
  // sum of (q - mean)^2 / n; cancellation leaves an error below 2^-36
  const double var = std::max(0., (static_cast<double>(squares) - 2 * mean * s) / n + mean * mean);
  return {mean, scale / std::sqrt(var * scale * scale + plan.epsilon)};
}

// Elements that share their parameters, or have each its own, to integers.
struct Requantize {
  void (*quantize)(const float* x, size_t n, const ToU8&, uint8_t* out);
  ToU8 to;

  // y = f32: (q - mean) * factor * weight + bias
  void elements(const uint8_t* x, int64_t n, const Moments& by, const float* weight, const float* bias,
                uint8_t* out) const {
    const float mean = static_cast<float>(by.mean), factor = static_cast<float>(by.factor);
    in_blocks(x, n, out, [=](int64_t i, float q) { return (q - mean) * factor * weight[i] + bias[i]; });
  }
  void channel(const uint8_t* x, int64_t n, const Moments& by, float weight, float bias, uint8_t* out) const {
    const float mean = static_cast<float>(by.mean), factor = static_cast<float>(by.factor) * weight;
    in_blocks(x, n, out, [=](int64_t, float q) { return (q - mean) * factor + bias; });
  }

  template <typename F>
  void in_blocks(const uint8_t* x, int64_t n, uint8_t* out, const F& f) const {
    constexpr int64_t kBlock = 256;
    float y[kBlock];
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t count = std::min(kBlock, n - begin);
      in_lanes(count, [&](int64_t i, auto lanes) {
        for (int64_t lane = 0; lane < lanes; ++lane)
          y[i + lane] = f(begin + i + lane, static_cast<float>(x[begin + i + lane]));
      });
      quantize(y, static_cast<size_t>(count), to, out + begin);
    }
  }
};

}  // namespace

Run compile_normalize_f32(const CompileCall& call, const GroupPlan& plan) {
  return [plan, parameters = parameters_of(call, plan.parameters)](const RunCall& run) {
    for_each_group(plan, [&](int64_t group) {
      const float* x = run.in[0].as<float>() + group * plan.n;
      float* out = run.out[0].as<float>() + group * plan.n;
      const Moments by = moments_of(x, plan);
      const float *weight = parameters->weight.data(), *bias = parameters->bias.data();
      if (plan.per_parameter == 0) return scale_elements(x, plan.n, by, weight, bias, out);
      const int64_t channels = plan.n / plan.per_parameter;
      for (int64_t c = 0, first = group * channels % plan.parameters; c < channels; ++c)
        scale_channel(x + c * plan.per_parameter, plan.per_parameter, by, weight[first + c], bias[first + c],
                      out + c * plan.per_parameter);
    });
  };
}

Run compile_normalize_u8(const CompileCall& call, const GroupPlan& plan) {
  const AffineU8 from = affine_of(call.in[0], "input");
  const Requantize to{call.kernels.quantize_u8, to_u8_of(call.out[0])};
  return [plan, from, to, parameters = parameters_of(call, plan.parameters)](const RunCall& run) {
    for_each_group(plan, [&](int64_t group) {
      const uint8_t* x = run.in[0].as<uint8_t>() + group * plan.n;
      uint8_t* out = run.out[0].as<uint8_t>() + group * plan.n;
      const Moments by = moments_of(x, plan, from.scale, from.zero_point);
      const float *weight = parameters->weight.data(), *bias = parameters->bias.data();
      if (plan.per_parameter == 0) return to.elements(x, plan.n, by, weight, bias, out);
      const int64_t channels = plan.n / plan.per_parameter;
      for (int64_t c = 0, first = group * channels % plan.parameters; c < channels; ++c)
        to.channel(x + c * plan.per_parameter, plan.per_parameter, by, weight[first + c], bias[first + c],
                   out + c * plan.per_parameter);
    });
  };
}

std::vector<Shape> infer_normalize(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  const int axis = line_axis(attrs, shape);
  Shape normalized;
  for (int each = axis; each < shape.rank; ++each) normalized[normalized.rank++] = shape[each];
  if (product(shape, axis, shape.rank) == 0)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(shape), ", wanted elements"));
  check_parameter_shapes(in, normalized);
  return {shape};
}

void samples_beside_normalized(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  const int axis = line_axis(attrs, in[0].shape);
  if (free_axis(in[0].shape) >= axis)
    throw mixes_samples(text("normalization over axes ", axis, " to ", in[0].shape.rank - 1));
}

GroupPlan normalize_over_axes(const CompileCall& call, bool centers) {
  const Shape& shape = call.in[0].shape;
  const int axis = line_axis(call.attrs, shape);
  const int64_t n = product(shape, axis, shape.rank);
  return {.groups = product(shape, 0, axis),
          .n = n,
          .parameters = n,
          .centers = centers,
          .epsilon = attr_float(call.attrs, "epsilon")};
}

void check_parameter_shapes(std::span<const TensorType> in, const Shape& wanted) {
  for (size_t i = 1; i < in.size(); ++i)
    if (in[i].shape != wanted)
      throw Error(ErrorKind::kInvalid, text(kNames[i], " is ", to_string(in[i].shape), ", input is ",
                                            to_string(in[0].shape), ", wanted ", to_string(wanted)));
}

void samples_beside_channels(const Attrs&, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  const int axis = free_axis(in[0].shape);
  if (axis > 0) throw mixes_samples(text("normalization over axis ", axis));
}

void take_stash_type(OnnxNode& node) {
  constexpr int64_t kFloat = 1;  // onnx.TensorProto.DataType
  const int64_t type = take_attr<int64_t>(node.attrs, "stash_type", kFloat);
  if (type != kFloat)
    throw Error(ErrorKind::kUnsupported, text("stash_type is ", type, ", wanted ", kFloat, " (float)"));
}

}  // namespace q
