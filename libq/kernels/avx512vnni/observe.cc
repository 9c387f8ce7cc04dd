// The range and the histogram of a tensor.
#include "kernels/avx512vnni/row.h"
#include "kernels/avx512vnni/simd.h"

namespace q::avx512vnni {
namespace {

constexpr int kInfinityBits = 0x7f800000;
constexpr int kNonFinite = 0x99;  // VFPCLASSPS: quiet and signalling NaN, +inf, -inf

// Widens the range by these values and returns true, if they are all finite; n >= 1.
bool widen_by_finite(const float* x, size_t n, MinMaxF32* range) {
  const __m512 some = _mm512_set1_ps(x[0]);
  __m512 lo[4], hi[4], poison[4];  // a NaN from where there was something that is not finite
  unroll<4>([&](auto v) __attribute__((always_inline)) {
    lo[v] = hi[v] = some;
    poison[v] = _mm512_setzero_ps();
  });
  for_blocks(
      n, [&](size_t i, __mmask64 lanes) __attribute__((always_inline)) {
        unroll<4>([&](auto v) __attribute__((always_inline)) {
          __m512 value = _mm512_mask_loadu_ps(some, vector_mask(lanes, v), x + i + 16 * v);
          __asm__("" : "+v"(value));  // GCC 12 would load it once for each use
          lo[v] = _mm512_min_ps(lo[v], value);
          hi[v] = _mm512_max_ps(hi[v], value);
          poison[v] = _mm512_fmadd_ps(value, _mm512_setzero_ps(), poison[v]);
        });
      });
  const __m512 all = _mm512_add_ps(_mm512_add_ps(poison[0], poison[1]), _mm512_add_ps(poison[2], poison[3]));
  if (_mm512_cmp_ps_mask(all, all, _CMP_UNORD_Q) != 0) return false;
  // Adding +0 turns -0 into +0.
  const float least =
      _mm512_reduce_min_ps(_mm512_min_ps(_mm512_min_ps(lo[0], lo[1]), _mm512_min_ps(lo[2], lo[3]))) + 0.f;
  const float most =
      _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(hi[0], hi[1]), _mm512_max_ps(hi[2], hi[3]))) + 0.f;
  range->lo = least < range->lo ? least : range->lo;
  range->hi = most > range->hi ? most : range->hi;
  return true;
}

void widen_by_any(const float* x, size_t n, MinMaxF32* range) {
  __m512 lo = _mm512_set1_ps(range->lo), hi = _mm512_set1_ps(range->hi);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = vector_mask(block_mask(n - i), 0);
    const __m512 value = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, x + i), _mm512_setzero_ps());
    const __mmask16 odd = _mm512_mask_fpclass_ps_mask(lanes, value, kNonFinite);
    lo = _mm512_mask_min_ps(lo, lanes & ~odd, value, lo);
    hi = _mm512_mask_max_ps(hi, lanes & ~odd, value, hi);
    range->non_finite += static_cast<size_t>(_mm_popcnt_u32(odd));
  }
  range->lo = _mm512_reduce_min_ps(lo);
  range->hi = _mm512_reduce_max_ps(hi);
}

void minmax_f32(const float* x, size_t n, MinMaxF32* range) {
  constexpr size_t kBlock = 4096;  // in the first-level cache, should it be looked at twice
  for (size_t i = 0; i < n; i += kBlock) {
    const size_t count = n - i < kBlock ? n - i : kBlock;
    if (!widen_by_finite(x + i, count, range)) widen_by_any(x + i, count, range);
  }
}

// A counter must be stored before it can be loaded again, and half of what comes out of a network is 0. So
// the zeros are counted beside, and only the bins of the others wait for their turn in a list.
struct Bins {
  __m512 scale;
  __m512i even, finest, offset, first;

  Bins(const BinsF32& bins, int32_t from)
      : scale(_mm512_set1_ps(bins.scale)),
        even(_mm512_set1_epi32(static_cast<int>(bins.even))),
        finest(_mm512_set1_epi32(bins.finest)),
        offset(_mm512_set1_epi32(bins.offset)),
        first(_mm512_set1_epi32(from)) {}

  // Writes the bins of those that are finite and not 0 to `list`, where there is place for 16, and returns
  // their number; counts the zeros by lane.
  [[gnu::always_inline]] inline size_t operator()(__m512 x, __mmask16 lanes, uint32_t* list,
                                                  __m512i& zeros) const {
    const __m512i ones = _mm512_set1_epi32(-1), zero = _mm512_setzero_si512();
    const __m512i bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    const __m512i below = _mm512_add_epi32(bits, ones);
    // Below 0 come the greatest bits.
    const __mmask16 others = _mm512_mask_cmplt_epu32_mask(lanes, below, _mm512_set1_epi32(kInfinityBits - 1));
    zeros = _mm512_mask_sub_epi32(zeros, _mm512_mask_testn_epi32_mask(lanes, bits, bits), zeros, ones);
    const __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    const __m512i m = _mm512_mask_mov_epi32(bits, negative, below);
    __m512i bin = _mm512_add_epi32(_mm512_cvttps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(m), scale)), offset);
    bin = _mm512_mask_max_epi32(bin, _mm512_cmplt_epu32_mask(m, even),
                                _mm512_sub_epi32(_mm512_srli_epi32(m, 19), finest), zero);
    bin = _mm512_sub_epi32(_mm512_mask_xor_epi32(bin, negative, bin, ones), first);
    _mm512_storeu_si512(list, others == 0xffff ? bin : _mm512_maskz_compress_epi32(others, bin));
    return static_cast<size_t>(_mm_popcnt_u32(others));
  }
};

void histogram_f32(const float* x, size_t n, const BinsF32& layout, int32_t first, uint32_t* counts) {
  const Bins bins(layout, first);
  __m512i zeros = _mm512_setzero_si512();

  // Only whole groups are counted, and the rest waits on: so the loop seldom turns more or less often than
  // before.
  constexpr size_t kBlock = 512, kGroup = 32;
  // Who counts the values of a block has most often just looked for their range, and will do both for the
  // next one.
  constexpr size_t kAhead = 1 << 14;
  alignas(64) uint32_t list[kGroup + kBlock + 16];
  size_t waiting = 0;
  for (size_t i = 0; i < n;) {
    const size_t end = n - i < kBlock ? n : i + kBlock;
    for (; i + 16 <= end; i += 16) {
      _mm_prefetch(x + i + kAhead, _MM_HINT_T1);
      waiting += bins(_mm512_loadu_ps(x + i), 0xffff, list + waiting, zeros);
    }
    if (i < end) {
      const __mmask16 lanes = vector_mask(block_mask(end - i), 0);
      waiting += bins(_mm512_maskz_loadu_ps(lanes, x + i), lanes, list + waiting, zeros);
      i = end;
    }
    size_t done = 0;
    for (; done + kGroup <= waiting; done += kGroup)
      unroll<kGroup>([&](auto j) __attribute__((always_inline)) { ++counts[list[done + j]]; });
    waiting -= done;
    unroll<kGroup / 16>([&](auto v) __attribute__((always_inline)) {
      _mm512_store_si512(list + 16 * v, _mm512_loadu_si512(list + done + 16 * v));
    });
  }
  for (size_t j = 0; j < waiting; ++j) ++counts[list[j]];
  const uint32_t found = static_cast<uint32_t>(_mm512_reduce_add_epi32(zeros));
  if (found > 0) counts[-first] += found;
}

}  // namespace

void install_observe(Kernels& kernels) {
  kernels.minmax_f32 = minmax_f32;
  kernels.histogram_f32 = histogram_f32;
}

}  // namespace q::avx512vnni
