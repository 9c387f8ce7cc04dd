// Operations on every element by itself. Nothing is fused here: each step is rounded to binary32.
#include "kernels/generic/round.h"
#include "kernels/generic/row.h"

namespace q::generic {

static float real(uint8_t level, const AffineU8& from) {
  return from.scale * static_cast<float>(level - from.zero_point);
}

static void quantize_u8(const float* x, size_t n, const ToU8& to, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = to_u8(x[i], to);
}

static void dequantize_u8(const uint8_t* q, size_t n, const AffineU8& from, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = real(q[i], from);
}

static void lut_u8(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = table[x[i]];
}

static void add_u8(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
                   const ToU8& to, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = to_u8(real(a[i], qa) + real(b[i], qb), to);
}

static void mul_u8(const uint8_t* a, const uint8_t* b, size_t n, int32_t za, int32_t zb, const ToU8& to,
                   uint8_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = to_u8(static_cast<float>((a[i] - za) * (b[i] - zb)), to);
}

static void add_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = clamp(a[i] + b[i], lo, hi);
}

static void mul_f32(const float* a, const float* b, size_t n, float lo, float hi, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = clamp(a[i] * b[i], lo, hi);
}

// 2^k for -126 <= k <= 127.
static float power_of_2(int32_t k) {
  const uint32_t bits = static_cast<uint32_t>(k + 127) << 23;
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return power;
}

static float exp_of(float t) {
  if (isnan(t)) return t;
  t = clamp(t, kExpLeast, kExpMost);
  const float k = nearbyintf(t * kExpLog2E);
  const float r = (t - k * kExpLn2High) - k * kExpLn2Low;
  float series = kExpTerms[4];
  for (int i = 3; i >= 0; --i) series = series * r + kExpTerms[i];
  const float y = 1 + (r + r * r * series);
  // k is from -150 to 128. The first product is exact.
  const int32_t power = static_cast<int32_t>(k), half = power / 2;
  return y * power_of_2(half) * power_of_2(power - half);
}

static void exp_f32(const float* x, size_t n, float shift, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = exp_of(x[i] - shift);
}

void install_elementwise(Kernels& kernels) {
  kernels.quantize_u8 = quantize_u8;
  kernels.dequantize_u8 = dequantize_u8;
  kernels.lut_u8 = lut_u8;
  kernels.add_u8 = add_u8;
  kernels.mul_u8 = mul_u8;
  kernels.add_f32 = add_f32;
  kernels.mul_f32 = mul_f32;
  kernels.exp_f32 = exp_f32;
}

}  // namespace q::generic
