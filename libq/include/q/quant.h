// The normative arithmetic of quantization. Sources name chapters of PyTorch 1.13's kernels as q-numerics(7)
// restates them.
#pragma once

#include <cstdint>
#include <span>

#include "q/tensor.h"

namespace q {

// A closed range of reals, one observed value pair. Empty while lo > hi.
struct Range {
  float lo = 0, hi = 0;
};

// What a tensor shall be quantized to.
struct QuantSpec {
  DType dtype = DType::kU8;
  QScheme scheme = QScheme::kPerTensorAffine;
  int axis = 0;                            // per-channel schemes only
  int32_t quant_min = 0, quant_max = 255;  // inside the type's limits, containing 0
  float eps = 0x1p-23f;                    // smallest scale (torch: observers' eps)
  bool operator==(const QuantSpec&) const = default;
};

// Scale and zero point for one range (torch.ao.quantization.observer._calculate_qparams, all in binary32):
//   lo' = min(lo, 0), hi' = max(hi, 0)
//   affine:    s = max((hi' - lo') / (qmax - qmin), eps), z = clamp(qmin - rint(lo' / s), qmin, qmax)
//   symmetric: s = max(max(-lo', hi') / ((qmax - qmin) / 2), eps), z = 0 for signed types, else 128 for
//   the whole of u8 and floor((qmin + qmax) / 2) for a narrower range
// ranges: one entry, or one per channel. Throws when a range is empty, not finite, or overflows binary32;
// `place` starts the message.
Q_API QParams choose_qparams(const QuantSpec& spec, std::span<const Range> ranges, std::string_view place);

// round to nearest, ties to even, then clamp: q = clamp(rint(x * (1 / f32(s))) + z, quant_min, quant_max),
// all in binary32. +inf and beyond give quant_max, -inf quant_min, NaN the zero point (torch 1.13 gives the
// lowest level for all three).
Q_API int32_t quantize_value(float x, float scale, int32_t zero_point, int32_t quant_min,
                             int32_t quant_max) noexcept;
// f32(s) * f32(q - z)
Q_API float dequantize_value(int32_t q, float scale, int32_t zero_point) noexcept;
// clamp(z + rint(f32(acc) * multiplier)): the normative requantization.
Q_API int32_t requantize_value(int32_t acc, float multiplier, int32_t zero_point, int32_t quant_min,
                               int32_t quant_max) noexcept;

// A float32 tensor as `dtype` integers, per tensor or per channel. Throws on another input type or qparams
// that do not fit.
Q_API Tensor quantize(View x, DType dtype, const QParams& qparams);
// A quantized tensor as float32. Per tensor f32(s)*f32(q-z); per channel f32(f64(q - z) * s), as torch does.
Q_API Tensor dequantize(View q);

// The int32 bias of a weighted operator: rint(f32(b * (1 / f32(sx * sw[c])))), saturated; `saturated` counts
// the channels that did not fit in int32. weight has one scale, or one per channel of every group. Result:
// [channels], per-channel qparams of scale sx*sw, zero point 0.
Q_API Tensor quantize_bias(View bias, double input_scale, const QParams& weight, int64_t* saturated);

}  // namespace q
