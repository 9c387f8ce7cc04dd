#include "ops/shared/weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "base/text.h"
#include "q/quant.h"

namespace q {

namespace {

constexpr int64_t kInt32Min = std::numeric_limits<int32_t>::min(),
                  kInt32Max = std::numeric_limits<int32_t>::max();

void check_dtype(std::string_view what, DType found, DType wanted) {
  if (found != wanted)
    throw Error(ErrorKind::kInvalid, text(what, " is ", name_of(found), ", wanted ", name_of(wanted)));
}

void check_constant(const TensorType& type, const View& constant, std::string_view what, DType wanted) {
  check_dtype(what, type.dtype, wanted);
  if (constant.data == nullptr)
    throw Error(ErrorKind::kUnsupported, text(what, " is computed, wanted a constant"));
}

// Of a quantized tensor that has one scale. Throws when it has none or several.
float scale_of(const TensorType& type, std::string_view what) {
  if (!type.qparams || type.qparams->scales.size() != 1)
    throw Error(ErrorKind::kInvalid,
                text(what, " has ", type.qparams ? type.qparams->scales.size() : 0, " scales, wanted 1"));
  return static_cast<float>(type.qparams->scales[0]);
}

// Scales or zero points of the weight's output channels, whether it has one per channel or one in all.
struct ChannelParams {
  const QParams& qparams;
  size_t index(int64_t channel) const {
    return is_per_channel(qparams.scheme) ? static_cast<size_t>(channel) : 0;
  }
  float scale(int64_t channel) const { return static_cast<float>(qparams.scales[index(channel)]); }
  int32_t zero_point(int64_t channel) const { return qparams.zero_points[index(channel)]; }
  // All zero points are 0.
  bool centred() const {
    return std::all_of(qparams.zero_points.begin(), qparams.zero_points.end(),
                       [](int32_t zero_point) { return zero_point == 0; });
  }
};

ChannelParams channel_params(const TensorType& weight, int64_t channels) {
  if (!weight.qparams)
    throw Error(ErrorKind::kInvalid, "weight has no scale, wanted one or one per output channel");
  const QParams& qparams = *weight.qparams;
  const size_t wanted = is_per_channel(qparams.scheme) ? static_cast<size_t>(channels) : 1;
  if (qparams.axis != 0 || qparams.scales.size() != wanted || qparams.zero_points.size() != wanted)
    throw Error(ErrorKind::kInvalid, text("weight has ", qparams.scales.size(), " scales along axis ",
                                          qparams.axis, ", wanted ", wanted, " along axis 0"));
  return {qparams};
}

// The bias of a channel with the zero point of x folded into it. Weights are qw - zw.
template <typename W>
int32_t fold_bias(int32_t bias, std::span<const W> weights, int32_t zero_point, int64_t channel) {
  int64_t total = 0, magnitude = 0;
  constexpr size_t kRound = size_t{1} << 16;  // whose sums fit in int32
  for (size_t first = 0; first < weights.size(); first += kRound) {
    int32_t sum = 0, magnitudes = 0;
    for (const int32_t w : weights.subspan(first, std::min(kRound, weights.size() - first))) {
      sum += w;
      magnitudes += std::abs(w);
    }
    total += sum;
    magnitude += magnitudes;
  }
  const int64_t positive = (magnitude + total) / 2, negative = (total - magnitude) / 2;  // of each sign
  // Of all sums of (qx - zx) * w, reached where each qx is 0 or 255.
  const int64_t least = -zero_point * positive + (255 - zero_point) * negative;
  const int64_t greatest = (255 - zero_point) * positive - zero_point * negative;
  int64_t folded = bias;
  // What a saturated bias stands for is out of reach anyway.
  if (folded == kInt32Max) folded = std::min(folded, kInt32Max - greatest);
  if (folded == kInt32Min) folded = std::max(folded, kInt32Min - least);
  if (folded + least < kInt32Min || folded + greatest > kInt32Max)
    throw Error(ErrorKind::kUnsupported,
                text("sums of output channel ", channel, " reach from ", folded + least, " to ",
                     folded + greatest, ", wanted ", kInt32Min, " to ", kInt32Max));
  return static_cast<int32_t>(folded -
                              zero_point * (positive + negative));  // the sum where all qx are 0, so it fits
}

// qw - zw of all weights.
std::vector<int16_t> centred_weights(std::span<const int8_t> raw, const ChannelParams& params,
                                     size_t per_channel) {
  std::vector<int16_t> centred;
  centred.reserve(raw.size());
  for (int64_t c = 0; centred.size() < raw.size(); ++c) {
    for (const int8_t q : raw.subspan(centred.size(), per_channel))
      centred.push_back(static_cast<int16_t>(q - params.zero_point(c)));
  }
  return centred;
}

// Centred weights as sums of i8: [channels][k][taps] becomes [channels][k][parts][taps].
std::vector<int8_t> split_weights(std::span<const int16_t> centred, int64_t taps, int64_t parts) {
  std::vector<int8_t> out;
  out.reserve(centred.size() * static_cast<size_t>(parts));
  for (; !centred.empty(); centred = centred.subspan(static_cast<size_t>(taps))) {
    for (int64_t part = 0; part < parts; ++part) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        int rest = centred[static_cast<size_t>(tap)];
        for (int64_t earlier = 0; earlier < part; ++earlier) rest -= std::clamp(rest, -128, 127);
        out.push_back(static_cast<int8_t>(std::clamp(rest, -128, 127)));
      }
    }
  }
  return out;
}

// How many i8 each of them is the sum of: 1 without zero points, at most 3 (for 255).
int64_t parts_of(std::span<const int16_t> centred) {
  int64_t parts = 1;
  for (const int16_t w : centred) {
    while (w > 127 * parts || w < -128 * parts) ++parts;
  }
  return parts;
}

// The activation function's limits as integers of the output.
U8Output integer_limits(const Attrs& attrs, const TensorType& out) {
  const float scale = scale_of(out, "output");
  const QParams& qparams = *out.qparams;
  const int32_t zero_point = qparams.zero_points[0];
  const auto level = [&](std::string_view name) {
    return quantize_value(static_cast<float>(attr_float(attrs, name)), scale, zero_point, qparams.quant_min,
                          qparams.quant_max);
  };
  return {.bias = nullptr,
          .multiplier = nullptr,
          .zero_point = zero_point,
          .lo = level("min"),
          .hi = level("max")};
}

// Exact sums of (qx - zx) * (qw - zw) and a bias, or none: all but what becomes of them.
Weights<uint8_t> centred_sums(const TensorType& x, const TensorType& weight, const int8_t* values,
                              const WeightsShape& shape, const int32_t* bias) {
  const int64_t channels = shape.groups * shape.columns;
  const size_t per_channel = static_cast<size_t>(shape.k * shape.taps);
  scale_of(x, "input");
  const int32_t zero_point = x.qparams->zero_points[0];
  const ChannelParams params = channel_params(weight, channels);
  const std::span<const int8_t> raw(values, static_cast<size_t>(channels) * per_channel);

  Weights<uint8_t> out{.shape = shape};
  out.padding = static_cast<uint8_t>(zero_point);
  std::vector<int16_t> centred;
  if (params.centred()) {
    out.values = raw;
  } else {
    centred = centred_weights(raw, params, per_channel);
    const int64_t parts = parts_of(centred);
    out.shape.taps = shape.taps * parts;
    out.set(split_weights(centred, shape.taps, parts));
  }
  out.bias.resize(static_cast<size_t>(channels));
  for (int64_t c = 0; c < channels; ++c) {
    const size_t first = static_cast<size_t>(c) * per_channel;
    const int32_t start = bias != nullptr ? bias[c] : 0;
    out.bias[static_cast<size_t>(c)] =
        centred.empty()
            ? fold_bias(start, raw.subspan(first, per_channel), zero_point, c)
            : fold_bias(start, std::span<const int16_t>(centred).subspan(first, per_channel), zero_point, c);
  }
  return out;
}

// (sw * sx) * (1 / so) of every channel.
void set_multipliers(Weights<uint8_t>& weights, const TensorType& x, const TensorType& weight,
                     float out_scale) {
  const ChannelParams params{*weight.qparams};
  const float x_scale = scale_of(x, "input");
  for (int64_t c = 0; c < std::ssize(weights.bias); ++c) {
    const float multiplier = (params.scale(c) * x_scale) * (1.f / out_scale);
    if (!std::isfinite(multiplier))
      throw Error(ErrorKind::kInvalid,
                  text("scales of output channel ", c, " are ", number(params.scale(c)), " * ",
                       number(x_scale), " / ", number(out_scale), ", wanted a finite quotient"));
    weights.multiplier.push_back(multiplier);
  }
}

template <typename E>
std::vector<E> slice(const std::vector<E>& values, int64_t first, int64_t count) {
  if (values.empty()) return {};
  return {values.begin() + first, values.begin() + first + count};
}

}  // namespace

template <>
Weights<float> weights_of(const CompileCall& call, const WeightsShape& shape) {
  check_dtype("input", call.in[0].dtype, DType::kF32);
  check_dtype("output", call.out[0].dtype, DType::kF32);
  check_constant(call.in[1], call.constants[1], "weight", DType::kF32);
  const int64_t channels = shape.groups * shape.columns;
  Weights<float> out{.shape = shape};
  const float* values = call.constants[1].as<float>();
  out.values = {values, static_cast<size_t>(channels * shape.k * shape.taps)};
  out.bias.assign(static_cast<size_t>(channels), 0.f);
  if (call.in.size() > 2) {
    check_constant(call.in[2], call.constants[2], "bias", DType::kF32);
    std::copy_n(call.constants[2].as<float>(), channels, out.bias.begin());
  }
  out.out.lo = static_cast<float>(attr_float(call.attrs, "min"));
  out.out.hi = static_cast<float>(attr_float(call.attrs, "max"));
  return out;
}

template <>
Weights<uint8_t> weights_of(const CompileCall& call, const WeightsShape& shape) {
  check_dtype("input", call.in[0].dtype, DType::kU8);
  check_dtype("output", call.out[0].dtype, DType::kU8);
  check_constant(call.in[1], call.constants[1], "weight", DType::kI8);
  const bool has_bias = call.in.size() > 2;
  if (has_bias) check_constant(call.in[2], call.constants[2], "bias", DType::kI32);
  Weights<uint8_t> out = centred_sums(call.in[0], call.in[1], call.constants[1].as<int8_t>(), shape,
                                      has_bias ? call.constants[2].as<int32_t>() : nullptr);
  out.out = integer_limits(call.attrs, call.out[0]);
  set_multipliers(out, call.in[0], call.in[1], scale_of(call.out[0], "output"));
  return out;
}

void merge_groups(Weights<uint8_t>& weights) {
  constexpr int64_t kColumns = 16;
  const WeightsShape& shape = weights.shape;
  int64_t count = std::max<int64_t>(1, std::min(shape.groups, kColumns / shape.columns));
  while (shape.groups % count != 0) --count;
  if (count == 1) return;
  const int64_t row = shape.k * shape.taps;
  std::vector<int8_t> merged(weights.values.size() * static_cast<size_t>(count));
  for (int64_t column = 0; column < shape.groups * shape.columns; ++column) {
    const int64_t place = column / shape.columns % count;
    std::copy_n(weights.values.begin() + column * row, row, merged.begin() + (column * count + place) * row);
  }
  weights.set(std::move(merged));
  weights.shape = {.groups = shape.groups / count,
                   .columns = shape.columns * count,
                   .k = shape.k * count,
                   .taps = shape.taps};
}

template <>
Weights<float> real_weights(const TensorType& x, const TensorType& weight, const View& values,
                            std::vector<float> offset) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  check_dtype("input", x.dtype, DType::kF32);
  check_constant(weight, values, "weight", DType::kF32);
  Weights<float> out{.shape = {.columns = weight.shape[0], .k = weight.shape[1]}};
  out.values = {values.as<float>(), static_cast<size_t>(elements(weight.shape))};
  out.bias = std::move(offset);
  out.out.lo = -kInfinity;
  out.out.hi = kInfinity;
  return out;
}

template <>
Weights<uint8_t> real_weights(const TensorType& x, const TensorType& weight, const View& values,
                              std::vector<float> offset) {
  check_dtype("input", x.dtype, DType::kU8);
  check_constant(weight, values, "weight", DType::kI8);
  const WeightsShape shape{.columns = weight.shape[0], .k = weight.shape[1]};
  Weights<uint8_t> out = centred_sums(x, weight, values.as<int8_t>(), shape, nullptr);
  set_multipliers(out, x, weight, 1);
  out.offset = std::move(offset);
  return out;
}

template <typename T>
Weights<T> channels_of(const Weights<T>& weights, int64_t first, int64_t count) {
  Weights<T> out = weights;
  out.shape.columns = count;
  const int64_t per_channel = weights.shape.k * weights.shape.taps;
  out.values = weights.values.subspan(static_cast<size_t>(first * per_channel),
                                      static_cast<size_t>(count * per_channel));
  out.bias = slice(weights.bias, first, count);
  out.multiplier = slice(weights.multiplier, first, count);
  out.offset = slice(weights.offset, first, count);
  return out;
}
template Weights<float> channels_of(const Weights<float>&, int64_t, int64_t);
template Weights<uint8_t> channels_of(const Weights<uint8_t>&, int64_t, int64_t);

void check_clamp(const Attrs& attrs) {
  const double min = attr_float(attrs, "min"), max = attr_float(attrs, "max");
  if (!(min <= max))
    throw Error(ErrorKind::kInvalid,
                text("min is ", number(min), ", max is ", number(max), ", wanted min <= max"));
}

void check_bias(std::span<const TensorType> in, int64_t channels) {
  if (in.size() > 2 && in[2].shape != Shape{channels})
    throw Error(ErrorKind::kInvalid,
                text("bias is ", to_string(in[2].shape), ", wanted ", to_string(Shape{channels})));
}

int64_t count_macs(const Shape& out, int64_t per_element) {
  Shape counted = out;
  for (int64_t& extent : counted.dims) {
    if (is_free(extent)) extent = -extent;
  }
  int64_t macs = 0;
  if (__builtin_mul_overflow(elements(counted), per_element, &macs))
    throw Error(ErrorKind::kInvalid, text("multiply-adds of an output ", to_string(out), " leave int64"));
  return macs;
}

const Tensor& onnx_constant(const OnnxNode& node, size_t input, std::string_view what) {
  const OnnxNode::Input& found = node.inputs.at(input);
  if (!found.constant) throw Error(ErrorKind::kUnsupported, text(what, " is computed, wanted a constant"));
  if (found.constant->type.dtype != DType::kF32)
    throw Error(ErrorKind::kUnsupported,
                text(what, " is ", name_of(found.constant->type.dtype), ", wanted f32"));
  return *found.constant;
}

void drop_absent_bias(OnnxNode& node) {
  if (node.inputs.size() > 2 && node.inputs[2].absent) node.inputs[2].used = false;
}

}  // namespace q
