// The primitives below all operators, as a plain struct of function pointers: one set per instruction set,
// equal to the bit. Kernels are single-threaded, never allocate, never fail. Every file of a row includes
// this and nothing else of the project.
#pragma once

#include <cstddef>
#include <cstdint>

namespace q {

// What becomes of an int32 sum in channel c:
//   y = clamp(zero_point + rint(f32(sum + bias[c]) * multiplier[c]), lo, hi)
// The multiplication is rounded to binary32, rint is to nearest with ties to even.
struct U8Output {
  const int32_t* bias;
  const float* multiplier;
  int32_t zero_point, lo, hi;  // 0 <= lo <= hi <= 255, 0 <= zero_point <= 255
};

// What becomes of it where reals are wanted:
//   y = f32(sum + bias[c]) * multiplier[c] + offset[c]
// Conversion, product and sum are rounded to binary32 each.
struct RealOutput {
  const int32_t* bias;
  const float *multiplier, *offset;
};

// y = min(max(sum, lo), hi) where sum starts from bias[c]; a NaN stays one.
struct F32Output {
  const float* bias;
  float lo, hi;
};

// rows x columns outputs of  C[r][c] = sum over taps t and i < k of A[t][r][i] * B[t][i][c], columns <= nr.
// Rows come in tiles of mr: a is [ceil(rows / mr)][taps][mr] pointers to k elements, of which those of a
// last tile that is not full are not used.
// Up to 3 bytes behind each u8 row are read (and multiplied by zero).
// Sums start from row_bias[r] where there is one: of a product whose second operand has a zero point too.
struct GemmU8I8 {
  size_t rows, columns, taps, k;
  const uint8_t* const* a;
  const int8_t* b;     // packed: [taps][ceil(k / 4)][nr][4], zero beyond k and beyond the last column
  const int8_t* next;  // weights of the same size that will be wanted soon, to be fetched early; or null
  U8Output out;        // arrays of nr entries
  uint8_t* c;
  size_t c_stride;          // elements between rows
  const int32_t* row_bias;  // [rows]; or null
};

// The same sums as reals.
struct GemmU8I8Real {
  size_t rows, columns, taps, k;
  const uint8_t* const* a;
  const int8_t* b;
  const int8_t* next;
  RealOutput out;
  float* c;
  size_t c_stride;
  const int32_t* row_bias;
};

// Each step of the sum over (t, i), in this order, is one fused multiply-add.
struct GemmF32 {
  size_t rows, columns, taps, k;
  const float* const* a;
  const float* b;     // packed: [taps][k][nr], zero beyond the last column
  const float* next;  // as above
  F32Output out;
  float* c;
  size_t c_stride;
};

// The arrays that a depthwise convolution adds to its sums may be read up to a multiple of so many channels.
constexpr size_t kChannelBlock = 64;

// A line of pixels of a depthwise convolution. Under each position along the line, padding included, lie
// the rows of its outer taps (the height of the window, and what else is not its width):
//   y[x][c] = sum over outer taps o and inner taps i of
//             rows[x * stride + i * dilation][o][c] * weights[o][i][c]
struct DepthwiseU8I8 {
  size_t channels, pixels;  // at least 1 pixel
  size_t outer_taps, inner_taps;
  size_t stride, dilation;
  const uint8_t* const* rows;  // [(pixels - 1) * stride + (inner_taps - 1) * dilation + 1][outer_taps]
  const int8_t* weights;       // [outer_taps][inner_taps][channels]
  U8Output out;
  uint8_t* c;  // [pixels][channels]
};

struct DepthwiseF32 {
  size_t channels, pixels;
  size_t outer_taps, inner_taps;
  size_t stride, dilation;
  const float* const* rows;
  const float* weights;
  F32Output out;  // one fused multiply-add per tap, in the order of the weights
  float* c;
};

// u8 operands of an elementwise operator: real = scale * (q - zero_point).
struct AffineU8 {
  float scale;
  int32_t zero_point;
};

// Real to u8: clamp(rint(x * inverse_scale) + zero_point, lo, hi); NaN gives zero_point before clamping.
struct ToU8 {
  float inverse_scale;
  int32_t zero_point, lo, hi;
};

struct MinMaxF32 {
  float lo, hi;       // of the finite values, +0 for both zeros; lo = +inf, hi = -inf when there are none
  size_t non_finite;  // NaN and infinities
};

// Bins of binary32 numbers, the same on both sides of zero: bin k >= 0 holds [edge k, edge k + 1), and
// -1 - k the same numbers with the sign changed, but not 0. That is [-edge k + 1, -edge k) with the ends the
// other way round, so a negative number is placed by the magnitude next below its own, bits m:
//   m < even:  max(0, (m >> 19) - finest)   16 bins for each power of two, all below the first of them in 0
//   m >= even: floor(|x| * scale) + offset  all of one width
// scale is a power of two, and the product in use is exact and at most 2^24. finest >= 0, and offset is 0
// where even is: so 0 is always in bin 0.
struct BinsF32 {
  float scale;
  uint32_t even;
  int32_t finest, offset;
};

// exp of binary32 in steps that all rows take, each rounded to binary32; within 1 ulp of exp(t):
//   t = min(max(x - shift, least), most)   where exp is 0 and infinity already; a NaN stays one
//   k = rint(t * log2_e), r = (t - k * ln2_high) - k * ln2_low   the first difference is exact
//   y = (1 + (r + r * r * (terms[0] + r * (terms[1] + ...)))) * 2^k   by Horner's rule, rounded once
// The terms have the least relative error of exp where |r| <= ln(2) / 2.
constexpr float kExpLeast = -104, kExpMost = 88.8f;
constexpr float kExpLog2E = 0x1.715476p0f, kExpLn2High = 0x1.62e4p-1f, kExpLn2Low = 0x1.7f7d1cp-20f;
constexpr float kExpTerms[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239ecp-7f,
                               0x1.6a2424p-10f};

struct Kernels {
  const char* name;  // of the best row installed

  size_t gemm_u8i8_mr, gemm_u8i8_nr;
  void (*gemm_u8i8)(const GemmU8I8&);
  void (*gemm_u8i8_real)(const GemmU8I8Real&);  // in the same tiles
  size_t gemm_f32_mr, gemm_f32_nr;
  void (*gemm_f32)(const GemmF32&);
  void (*depthwise_u8i8)(const DepthwiseU8I8&);
  void (*depthwise_f32)(const DepthwiseF32&);

  // Pools: per channel over `taps` rows.
  void (*max_u8)(const uint8_t* const* rows, size_t taps, size_t channels, uint8_t* out);
  void (*max_f32)(const float* const* rows, size_t taps, size_t channels, float* out);  // a NaN wins
  // clamp(z + rint(f32(sum - z * taps) * multiplier), 0, 255)
  void (*average_u8)(const uint8_t* const* rows, size_t taps, size_t channels, int32_t z, float multiplier,
                     uint8_t* out);
  // sum in order of the taps, then one division
  void (*average_f32)(const float* const* rows, size_t taps, size_t channels, float divisor, float* out);

  void (*quantize_u8)(const float* x, size_t n, const ToU8&, uint8_t* out);
  void (*dequantize_u8)(const uint8_t* q, size_t n, const AffineU8&,
                        float* out);  // f32(scale * (q - zero_point))
  void (*lut_u8)(const uint8_t* x, size_t n, const uint8_t* table, uint8_t* out);
  // to_u8(f32(sa * (qa - za)) + f32(sb * (qb - zb)))
  void (*add_u8)(const uint8_t* a, const uint8_t* b, size_t n, const AffineU8& qa, const AffineU8& qb,
                 const ToU8&, uint8_t* out);
  // clamp(z + rint(f32((qa - za) * (qb - zb)) * out.inverse_scale), lo, hi): inverse_scale is the whole
  // multiplier here
  void (*mul_u8)(const uint8_t* a, const uint8_t* b, size_t n, int32_t za, int32_t zb, const ToU8&,
                 uint8_t* out);
  void (*add_f32)(const float* a, const float* b, size_t n, float lo, float hi,
                  float* out);  // clamped; a NaN stays one
  void (*mul_f32)(const float* a, const float* b, size_t n, float lo, float hi, float* out);

  // exp(x - shift), as above; out may be x.
  void (*exp_f32)(const float* x, size_t n, float shift, float* out);

  // Combines what it finds with what `range` holds already.
  void (*minmax_f32)(const float* x, size_t n, MinMaxF32* range);
  // counts[bin of x - first] += 1 for the finite values; every bin fits.
  void (*histogram_f32)(const float* x, size_t n, const BinsF32& bins, int32_t first, uint32_t* counts);
};

// A row: one directory, one set of compile flags.
struct Isa {
  const char* name;           // what Q_ISA and --isa select
  uint32_t needs;             // CpuFeature bits
  void (*install)(Kernels&);  // writes over only the entries this row does better
};

enum CpuFeature : uint32_t {
  kCpuAvx2Fma = 1,
  kCpuAvxVnni = 2,
  kCpuAvx512 = 4,
  kCpuAvx512Vnni = 8,
  kCpuAvx512Vbmi = 16,
  kCpuNeonDot = 32
};
uint32_t cpu_features();  // of this machine: cpu_<arch>.cc

}  // namespace q
