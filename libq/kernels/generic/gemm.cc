// A panel of a matrix product whose rows lie behind pointers: convolution, linear, matmul.
#include "kernels/generic/round.h"
#include "kernels/generic/row.h"

namespace q::generic {

static constexpr size_t kRows = 4, kColumns = 8;

// Where the pointer to row r under the first tap stands; those of the other taps follow in steps of kRows.
static size_t first_tap(size_t r, size_t taps) { return r / kRows * taps * kRows + r % kRows; }

// finish: what becomes of a sum, by its channel.
template <typename Gemm, typename Finish>
static void sum_u8i8(const Gemm& g, const Finish& finish) {
  const size_t groups = (g.k + 3) / 4;
  for (size_t r = 0; r < g.rows; ++r) {
    uint32_t sum[kColumns];
    for (uint32_t& each : sum) each = g.row_bias != nullptr ? static_cast<uint32_t>(g.row_bias[r]) : 0;
    const int8_t* b = g.b;
    for (size_t t = 0; t < g.taps; ++t) {
      const uint8_t* a = g.a[first_tap(r, g.taps) + t * kRows];
      for (size_t i = 0; i < groups * 4; i += 4, b += kColumns * 4) {
        for (size_t c = 0; c < kColumns; ++c) {
          for (size_t j = 0; j < 4; ++j) sum[c] += static_cast<uint32_t>(a[i + j] * b[c * 4 + j]);
        }
      }
    }
    for (size_t c = 0; c < g.columns; ++c) g.c[r * g.c_stride + c] = finish(sum[c], c);
  }
}

static void gemm_u8i8(const GemmU8I8& g) {
  sum_u8i8(g, [&](uint32_t sum, size_t c) { return requantize(sum, c, g.out); });
}

static void gemm_u8i8_real(const GemmU8I8Real& g) {
  sum_u8i8(g, [&](uint32_t sum, size_t c) { return as_real(sum, c, g.out); });
}

static void gemm_f32(const GemmF32& g) {
  for (size_t r = 0; r < g.rows; ++r) {
    for (size_t c = 0; c < g.columns; ++c) {
      float sum = g.out.bias[c];
      const float* b = g.b + c;
      for (size_t t = 0; t < g.taps; ++t) {
        const float* a = g.a[first_tap(r, g.taps) + t * kRows];
        for (size_t i = 0; i < g.k; ++i, b += kColumns) sum = fmaf(a[i], *b, sum);
      }
      g.c[r * g.c_stride + c] = clamp(sum, g.out.lo, g.out.hi);
    }
  }
}

void install_gemm(Kernels& kernels) {
  kernels.gemm_u8i8_mr = kRows;
  kernels.gemm_u8i8_nr = kColumns;
  kernels.gemm_u8i8 = gemm_u8i8;
  kernels.gemm_u8i8_real = gemm_u8i8_real;
  kernels.gemm_f32_mr = kRows;
  kernels.gemm_f32_nr = kColumns;
  kernels.gemm_f32 = gemm_f32;
}

}  // namespace q::generic
