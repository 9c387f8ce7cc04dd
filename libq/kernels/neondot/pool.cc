// Pooling of one pixel, 16 channels at a time (floats: 4).
#include "kernels/neondot/row.h"
#include "kernels/neondot/simd.h"

namespace q::neondot {
namespace {

void max_u8(const uint8_t* const* rows, size_t taps, size_t channels, uint8_t* out) {
  for_channels<16>(channels, [&](size_t c, auto lanes) {
    uint8x16_t greatest = vdupq_n_u8(0);
    for (size_t t = 0; t < taps; ++t) greatest = vmaxq_u8(greatest, lanes.load(rows[t] + c));
    lanes.store(out + c, greatest);
  });
}

void max_f32(const float* const* rows, size_t taps, size_t channels, float* out) {
  for_channels<4>(channels, [&](size_t c, auto lanes) {
    float32x4_t greatest = vdupq_n_f32(-__builtin_inff());
    for (size_t t = 0; t < taps; ++t) {
      const float32x4_t x = lanes.load(rows[t] + c);
      const uint32x4_t number = vceqq_f32(x, x);
      greatest = vbslq_f32(vornq_u32(vcgtq_f32(x, greatest), number), x, greatest);
    }
    lanes.store(out + c, greatest);
  });
}

void average_u8(const uint8_t* const* rows, size_t taps, size_t channels, int32_t z, float multiplier,
                uint8_t* out) {
  const Bytes bytes(z, 0, 255);
  const uint32x4_t start = vdupq_n_u32(0 - static_cast<uint32_t>(z) * static_cast<uint32_t>(taps));
  for_channels<16>(channels, [&](size_t c, auto lanes) {
    uint32x4_t sum[4] = {start, start, start, start};
    for (size_t t = 0; t < taps; ++t) {
      const uint8x16_t x = lanes.load(rows[t] + c);
      const uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_high_u8(x);
      sum[0] = vaddw_u16(sum[0], vget_low_u16(low));
      sum[1] = vaddw_high_u16(sum[1], low);
      sum[2] = vaddw_u16(sum[2], vget_low_u16(high));
      sum[3] = vaddw_high_u16(sum[3], high);
    }
    int32x4_t level[4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const float32x4_t real = vcvtq_f32_s32(vreinterpretq_s32_u32(sum[v]));
      level[v] = rounded(vmulq_n_f32(real, multiplier));
    });
    lanes.store(out + c, bytes(level));
  });
}

void average_f32(const float* const* rows, size_t taps, size_t channels, float divisor, float* out) {
  for_channels<4>(channels, [&](size_t c, auto lanes) {
    float32x4_t sum = vdupq_n_f32(0);
    for (size_t t = 0; t < taps; ++t) sum = vaddq_f32(sum, lanes.load(rows[t] + c));
    lanes.store(out + c, vdivq_f32(sum, vdupq_n_f32(divisor)));
  });
}

}  // namespace

void install_pool(Kernels& kernels) {
  kernels.max_u8 = max_u8;
  kernels.max_f32 = max_f32;
  kernels.average_u8 = average_u8;
  kernels.average_f32 = average_f32;
}

}  // namespace q::neondot
