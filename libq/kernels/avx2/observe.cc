// The range and the histogram of a tensor.
#include "kernels/avx2/row.h"
#include "kernels/avx2/simd.h"

namespace q::avx2 {
namespace {

constexpr int kInfinityBits = 0x7f800000;

// All ones where a lane is neither a NaN nor an infinity.
inline __m256i is_finite(__m256 x) {
  const __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(kInfinityBits), magnitude);
}

void minmax_f32(const float* x, size_t n, MinMaxF32* range) {
  __m256 lo = _mm256_set1_ps(range->lo), hi = _mm256_set1_ps(range->hi);
  const __m256 infinity = _mm256_set1_ps(__builtin_inff());
  __m256i finite_count = _mm256_setzero_si256();
  size_t i = 0;
  const auto add = [&](size_t count) __attribute__((always_inline)) {
    const __m256i lanes = first_lanes(count);
    // Adding +0 turns -0 into +0.
    const __m256 value = _mm256_add_ps(load_floats(x + i, count), _mm256_setzero_ps());
    const __m256i finite = _mm256_and_si256(is_finite(value), lanes);
    lo = _mm256_min_ps(lo, _mm256_blendv_ps(infinity, value, _mm256_castsi256_ps(finite)));
    hi = _mm256_max_ps(hi, _mm256_blendv_ps(_mm256_sub_ps(_mm256_setzero_ps(), infinity), value,
                                            _mm256_castsi256_ps(finite)));
    finite_count = _mm256_sub_epi32(finite_count, finite);
  };
  for (; i + 8 <= n; i += 8) add(8);
  if (i < n) add(n - i);

  alignas(32) float least[8], most[8];
  alignas(32) uint32_t counts[8];
  _mm256_store_ps(least, lo);
  _mm256_store_ps(most, hi);
  _mm256_store_si256(reinterpret_cast<__m256i*>(counts), finite_count);
  range->non_finite += n;
  for (int j = 0; j < 8; ++j) {
    range->lo = least[j] < range->lo ? least[j] : range->lo;
    range->hi = most[j] > range->hi ? most[j] : range->hi;
    range->non_finite -= counts[j];
  }
}

// The bins of 8 values. Those of 0, of infinities and of NaN have no meaning.
struct Bins {
  __m256 scale;
  __m256i even, finest, offset, first;

  Bins(const BinsF32& bins, int32_t from)
      : scale(_mm256_set1_ps(bins.scale)),
        even(_mm256_set1_epi32(static_cast<int>(bins.even))),
        finest(_mm256_set1_epi32(bins.finest)),
        offset(_mm256_set1_epi32(bins.offset)),
        first(_mm256_set1_epi32(from)) {}

  inline __m256i operator()(__m256 x) const {
    const __m256i bits = _mm256_castps_si256(x), negative = _mm256_srai_epi32(bits, 31);
    // All ones are -1.
    const __m256i m = _mm256_add_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)), negative);
    const __m256i wide =
        _mm256_add_epi32(_mm256_cvttps_epi32(_mm256_mul_ps(_mm256_castsi256_ps(m), scale)), offset);
    const __m256i fine =
        _mm256_max_epi32(_mm256_sub_epi32(_mm256_srli_epi32(m, 19), finest), _mm256_setzero_si256());
    const __m256i bin = _mm256_blendv_epi8(wide, fine, _mm256_cmpgt_epi32(even, m));
    return _mm256_sub_epi32(_mm256_xor_si256(bin, negative), first);
  }
};

// A count must wait for the one before when both are of the same bin. Zeros are frequent, so every lane has a
// count of its own for them, and one for what has no bin.
struct LaneCounts {
  alignas(32) uint32_t zeros[8] = {}, none[8] = {};
};

void histogram_f32(const float* x, size_t n, const BinsF32& layout, int32_t first, uint32_t* counts) {
  const Bins bins(layout, first);
  LaneCounts lanes;
  const auto addresses = [](const uint32_t* p, int64_t step) __attribute__((always_inline)) {
    const __m256i offsets = _mm256_setr_epi64x(0, step, 2 * step, 3 * step);
    return _mm256_add_epi64(_mm256_set1_epi64x(reinterpret_cast<int64_t>(p)), offsets);
  };
  const __m256i base = addresses(counts, 0);
  size_t i = 0;
  const auto add = [&](size_t count) __attribute__((always_inline)) {
    const __m256 value = load_floats(x + i, count);
    const __m256i finite = _mm256_and_si256(is_finite(value), first_lanes(count));
    const __m256i zero = _mm256_castps_si256(_mm256_cmp_ps(value, _mm256_setzero_ps(), _CMP_EQ_OQ));
    const __m256i bin = bins(value);
    alignas(32) uint32_t* at[8];
    unroll<2>([&](auto half) __attribute__((always_inline)) {
      const auto widened = [&](__m256i narrow) __attribute__((always_inline)) {
        return _mm256_cvtepi32_epi64(_mm256_extracti128_si256(narrow, half));
      };
      __m256i address = _mm256_add_epi64(base, _mm256_slli_epi64(widened(bin), 2));
      address = _mm256_blendv_epi8(address, addresses(lanes.zeros + 4 * half, 4), widened(zero));
      address = _mm256_blendv_epi8(addresses(lanes.none + 4 * half, 4), address, widened(finite));
      _mm256_store_si256(reinterpret_cast<__m256i*>(at + 4 * half), address);
    });
    unroll<8>([&](auto j) __attribute__((always_inline)) { ++*at[j]; });
  };
  for (; i + 8 <= n; i += 8) add(8);
  if (i < n) add(n - i);

  uint32_t zeros = 0;
  for (const uint32_t count : lanes.zeros) zeros += count;
  if (zeros > 0) counts[-first] += zeros;
}

}  // namespace

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::avx2
