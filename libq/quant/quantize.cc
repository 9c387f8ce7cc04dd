// Quantize, dequantize, requantize: the normative arithmetic, element by element.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "base/text.h"
#include "q/quant.h"

namespace q {

namespace {

// rint(t) + z inside [lo, hi], for any t: the limits are applied where no conversion can overflow.
int32_t round_and_clamp(float t, int32_t zero_point, int32_t lo, int32_t hi) noexcept {
  if (std::isnan(t)) return std::clamp(zero_point, lo, hi);
  const double rounded = std::rint(static_cast<double>(t)) + zero_point;
  return static_cast<int32_t>(std::clamp<double>(rounded, lo, hi));
}

constexpr int64_t kGrain = 1 << 15;  // elements whose work outweighs starting a thread

// Calls body(channel, first, end) for runs of elements of one channel, which together are a dense tensor;
// per-tensor parameters have a single channel, 0. On all threads.
template <typename Body>
void for_each_channel(const Shape& shape, const QParams& qparams, const Body& body) {
  const int64_t count = elements(shape);
  int64_t inner = count, channels = 1;
  if (is_per_channel(qparams.scheme)) {
    channels = shape[qparams.axis];
    inner = 1;
    for (int axis = qparams.axis + 1; axis < shape.rank; ++axis) inner *= shape[axis];
  }
  parallel_blocks(count, kGrain, [&](int64_t first, int64_t end) {
    while (first < end) {
      const int64_t run = first / inner, stop = std::min((run + 1) * inner, end);
      body(static_cast<size_t>(run % channels), first, stop);
      first = stop;
    }
  });
}

template <typename T>
void quantize_into(View x, const QParams& qparams, Tensor& out) {
  const float* values = x.as<float>();
  T* integers = out.as<T>();
  for_each_channel(x.shape, qparams, [&](size_t c, int64_t first, int64_t end) {
    const float inverse = 1.0f / static_cast<float>(qparams.scales[c]);
    const int32_t zero_point = qparams.zero_points[c];
    for (int64_t i = first; i < end; ++i)
      integers[i] = static_cast<T>(
          round_and_clamp(values[i] * inverse, zero_point, qparams.quant_min, qparams.quant_max));
  });
}

template <typename T>
void dequantize_into(View q, Tensor& out) {
  const T* integers = q.as<T>();
  float* values = out.as<float>();
  const QParams& qparams = *q.qparams;
  const bool per_channel = is_per_channel(qparams.scheme);
  for_each_channel(q.shape, qparams, [&](size_t c, int64_t first, int64_t end) {
    const double scale = qparams.scales[c];
    const int64_t zero_point = qparams.zero_points[c];
    for (int64_t i = first; i < end; ++i) {
      const int64_t distance = static_cast<int64_t>(integers[i]) - zero_point;
      // torch computes the per-channel product in binary64 and the per-tensor one in binary32
      values[i] = per_channel ? static_cast<float>(static_cast<double>(distance) * scale)
                              : static_cast<float>(scale) * static_cast<float>(distance);
    }
  });
}

}  // namespace

int32_t quantize_value(float x, float scale, int32_t zero_point, int32_t quant_min,
                       int32_t quant_max) noexcept {
  return round_and_clamp(x * (1.0f / scale), zero_point, quant_min, quant_max);
}

float dequantize_value(int32_t q, float scale, int32_t zero_point) noexcept {
  return scale * static_cast<float>(static_cast<int64_t>(q) - zero_point);
}

int32_t requantize_value(int32_t acc, float multiplier, int32_t zero_point, int32_t quant_min,
                         int32_t quant_max) noexcept {
  return round_and_clamp(static_cast<float>(acc) * multiplier, zero_point, quant_min, quant_max);
}

Tensor quantize(View x, DType dtype, const QParams& qparams) {
  if (x.dtype != DType::kF32)
    throw Error(ErrorKind::kInvalid, text("quantize: type ", name_of(x.dtype), ", wanted f32"));
  check_qparams(qparams, dtype, x.shape, "quantize");
  Tensor out = make_tensor({dtype, x.shape, qparams});
  switch (dtype) {
    case DType::kU8:
      quantize_into<uint8_t>(x, qparams, out);
      break;
    case DType::kI8:
      quantize_into<int8_t>(x, qparams, out);
      break;
    case DType::kI16:
      quantize_into<int16_t>(x, qparams, out);
      break;
    case DType::kI32:
      quantize_into<int32_t>(x, qparams, out);
      break;
    default:
      throw Error(ErrorKind::kUnsupported,
                  text("quantize: type ", name_of(dtype), ", wanted u8, i8, i16 or i32"));
  }
  return out;
}

Tensor dequantize(View q) {
  if (q.qparams == nullptr)
    throw Error(ErrorKind::kInvalid, "dequantize: a tensor without scale, wanted a quantized one");
  check_qparams(*q.qparams, q.dtype, q.shape, "dequantize");
  Tensor out = make_tensor(DType::kF32, q.shape);
  switch (q.dtype) {
    case DType::kU8:
      dequantize_into<uint8_t>(q, out);
      break;
    case DType::kI8:
      dequantize_into<int8_t>(q, out);
      break;
    case DType::kI16:
      dequantize_into<int16_t>(q, out);
      break;
    case DType::kI32:
      dequantize_into<int32_t>(q, out);
      break;
    default:
      throw Error(ErrorKind::kUnsupported,
                  text("dequantize: type ", name_of(q.dtype), ", wanted u8, i8, i16 or i32"));
  }
  return out;
}

Tensor quantize_bias(View bias, double input_scale, const QParams& weight, int64_t* saturated) {
  if (bias.dtype != DType::kF32 || bias.shape.rank != 1)
    throw Error(ErrorKind::kInvalid,
                text("bias is ", name_of(bias.dtype), " ", to_string(bias.shape), ", wanted a list of f32"));
  const size_t channels = static_cast<size_t>(bias.shape[0]);
  constexpr int32_t kLo = std::numeric_limits<int32_t>::min(), kHi = std::numeric_limits<int32_t>::max();
  QParams qparams{QScheme::kPerChannelSymmetric, 0, kLo, kHi, {}, std::vector<int32_t>(channels, 0)};
  std::vector<int32_t> integers(channels);
  *saturated = 0;
  for (size_t c = 0; c < channels; ++c) {
    // the product of the scales is taken in binary64 and narrowed once (semantics of the qnnpack engine)
    const double scale = weight.scales[c % weight.scales.size()] * input_scale;
    qparams.scales.push_back(scale);
    const double rounded =
        std::rint(static_cast<double>(bias.as<float>()[c] * (1.0f / static_cast<float>(scale))));
    *saturated += !(rounded >= kLo && rounded <= kHi);
    integers[c] = std::isnan(rounded) ? 0 : static_cast<int32_t>(std::clamp<double>(rounded, kLo, kHi));
  }
  check_qparams(qparams, DType::kI32, bias.shape, "bias");
  Tensor out = make_tensor({DType::kI32, bias.shape, std::move(qparams)});
  std::copy(integers.begin(), integers.end(), out.as<int32_t>());
  return out;
}

}  // namespace q
