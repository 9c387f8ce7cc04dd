// histogram: how often values fall into bins.
//
// These are split_bins: of one width, a power of two, and finer next to zero, so that values are told apart
// also where a few outliers make the others small. Their exponent is a function of the range seen and nothing
// else (layout_of), and the state depends only on the multiset of values seen, not on their order, batches,
// threads or shards:
//
// Bins of a larger exponent are unions of those of a smaller one: floor(floor(x / 2^e) / 2^k) = floor(x /
// 2^(e + k)) for the wide ones, and a wide bin that becomes a fine one stays what it was or joins its
// neighbours. So adding the counts of neighbours gives what counting each value there at once would have
// given.
//
// Widening the range never asks for a smaller exponent. For each e, floor(hi / 2^e) - floor(lo / 2^e) does
// not shrink when hi grows or lo falls, so what was too fine stays too fine; and the least exponent tried
// grows with the largest magnitude.
//
// A larger exponent never needs more even bins: with a <= b, floor(b / 2) - floor(a / 2) <= ceil((b - a) / 2)
// <= b - a. So the first exponent that fits is the least one. With one less, b - a >= 4096: more than 2048
// are in use, unless the values are too close together for binary32 to tell as many apart.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/parallel.h"
#include "base/text.h"
#include "observers/shared/state.h"
#include "quant/search.h"

namespace q {

namespace {

enum Field { kExponent, kFirst, kBins, kRange, kCounts };
constexpr std::string_view kFields[] = {"exponent", "first", "bins", "range", "counts"};
constexpr std::string_view kMethods[] = {"mse", "minmax", "percentile", "entropy"};

constexpr int64_t kMostBins = kMostEvenBins + 2 * (513 - 16);
constexpr int64_t kGrain = 1 << 16;  // values that outweigh clearing and adding another piece's bins
constexpr int64_t kMostValues = int64_t{1} << 31;  // of a piece: its counters have 32 bits
constexpr size_t kBlock = 1 << 14;                 // values that stay in the second-level cache
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Where the bins of a range lie.
struct Layout {
  int exponent = kLeastExponent;
  int64_t first = 0, bins = 0;
  bool operator==(const Layout&) const = default;
};

Layout layout_of(float lo, float hi) {
  if (lo > hi) return {};
  const int exponent = even_exponent(lo, hi);
  const BinsF32 bins = split_bins(exponent);
  return {exponent, bin_of(bins, lo), bin_of(bins, hi) - bin_of(bins, lo) + 1};
}

Layout layout_of(const ObserverState& state) {
  return {static_cast<int>(*state[kExponent].as<int64_t>()), *state[kFirst].as<int64_t>(),
          state[kBins].type.shape[0]};
}

ObserverState init(int64_t) {
  ObserverState state = {make_tensor(DType::kI64, {1}), make_tensor(DType::kI64, {1}),
                         make_tensor(DType::kI64, {0}), make_ranges({2}, kInfinity), make_counts()};
  *state[kExponent].as<int64_t>() = kLeastExponent;
  state[kRange].as<float>()[1] = -kInfinity;
  return state;
}

// Adds the counts of bins laid out as `from` to coarser or equal bins, laid out as `to`, which hold them all.
template <typename Count, typename Sum>
void add_bins(const Layout& from, const Count* counts, const Layout& to, Sum* sums) {
  if (to.exponent == from.exponent) {
    for (int64_t i = 0; i < from.bins; ++i) sums[from.first - to.first + i] += counts[i];
    return;
  }
  const BinsF32 fine = split_bins(from.exponent), coarse = split_bins(to.exponent);
  for (int64_t i = 0; i < from.bins; ++i)
    if (counts[i] != 0) sums[bin_in(coarse, fine, from.first + i) - to.first] += counts[i];
}

// Makes place for values in [lo, hi].
void widen(ObserverState& state, float lo, float hi) {
  float* range = own(state[kRange]).as<float>();
  range[0] = std::min(range[0], lo);
  range[1] = std::max(range[1], hi);
  const Layout before = layout_of(state), after = layout_of(range[0], range[1]);
  if (after == before) return;
  Tensor bins = make_tensor(DType::kI64, {after.bins});
  add_bins(before, state[kBins].as<int64_t>(), after, bins.as<int64_t>());
  state[kBins] = std::move(bins);
  *own(state[kExponent]).as<int64_t>() = after.exponent;
  *own(state[kFirst]).as<int64_t>() = after.first;
}

// What a thread sees of a tensor.
struct Piece {
  MinMaxF32 range = {kInfinity, -kInfinity, 0};
  Layout layout;
  uint32_t counts[kMostBins];  // of layout.bins

  void start(const ObserverState& state) {
    const float* seen = state[kRange].as<float>();
    range = {seen[0], seen[1], 0};
    layout = layout_of(state);
    std::fill_n(counts, layout.bins, 0);
  }

  void lay_out(const Layout& after) {
    if (after == layout) return;
    uint32_t before[kMostBins];
    std::copy_n(counts, layout.bins, before);
    std::fill_n(counts, after.bins, 0);
    add_bins(layout, before, after, counts);
    layout = after;
  }

  // The range of a block is sought first, and its values are then counted while they are in cache.
  void add(const float* x, size_t count, const Kernels& kernels) {
    for (size_t first = 0; first < count; first += kBlock) {
      const size_t block = std::min(kBlock, count - first);
      const MinMaxF32 before = range;
      kernels.minmax_f32(x + first, block, &range);
      if (range.lo < before.lo || range.hi > before.hi) lay_out(layout_of(range.lo, range.hi));
      kernels.histogram_f32(x + first, block, split_bins(layout.exponent), static_cast<int32_t>(layout.first),
                            counts);
    }
  }
};

void update(ObserverState& state, View values, int, const Kernels& kernels) {
  check_values(values);
  const int64_t count = elements(values.shape);
  const int64_t pieces =
                    std::max(std::clamp<int64_t>(count / kGrain, 1, thread_count()), count / kMostValues + 1),
                length = (count + pieces - 1) / pieces;
  const auto found = std::make_unique_for_overwrite<Piece[]>(static_cast<size_t>(pieces));
  parallel_for(pieces, [&](int64_t i) {
    const int64_t first = std::min(i * length, count), end = std::min(first + length, count);
    found[static_cast<size_t>(i)].start(state);
    found[static_cast<size_t>(i)].add(values.as<float>() + first, static_cast<size_t>(end - first), kernels);
  });
  const std::span all(found.get(), static_cast<size_t>(pieces));
  int64_t non_finite = 0;
  for (const Piece& piece : all) non_finite += static_cast<int64_t>(piece.range.non_finite);
  add_counts(state, count - non_finite, non_finite);
  for (const Piece& piece : all) widen(state, piece.range.lo, piece.range.hi);
  int64_t* sums = own(state[kBins]).as<int64_t>();
  for (const Piece& piece : all) add_bins(piece.layout, piece.counts, layout_of(state), sums);
}

void check_bins(const ObserverState& state) {
  const Tensor& bins = state[kBins];
  const int64_t *counts = bins.as<int64_t>(), size = bins.type.shape[0];
  int64_t sum = 0;
  for (int64_t i = 0; i < size; ++i)
    if (counts[i] < 0 || __builtin_add_overflow(sum, counts[i], &sum))
      throw Error(ErrorKind::kInvalid, text("bin ", i, " counts ", counts[i], ", wanted a number of values"));
  if (sum != finite_count(state))
    throw Error(ErrorKind::kInvalid, text("the bins hold ", sum, " values, wanted ", finite_count(state)));
  if (size > 0 && (counts[0] == 0 || counts[size - 1] == 0))
    throw Error(ErrorKind::kInvalid,
                "the first or last bin is empty, wanted the smallest and largest value there");
}

void check(const ObserverState& state) {
  check_size(state, kFields);
  check_tensor(state[kExponent], kFields[kExponent], DType::kI64, {1});
  check_tensor(state[kFirst], kFields[kFirst], DType::kI64, {1});
  check_tensor(state[kRange], kFields[kRange], DType::kF32, {2});
  check_counts(state[kCounts]);
  const float* range = state[kRange].as<float>();
  check_range(range[0], range[1]);
  const Layout wanted = layout_of(range[0], range[1]);
  check_tensor(state[kBins], kFields[kBins], DType::kI64, {wanted.bins});
  const int64_t exponent = *state[kExponent].as<int64_t>(), first = *state[kFirst].as<int64_t>();
  if (exponent != wanted.exponent || first != wanted.first)
    throw Error(ErrorKind::kInvalid,
                text("bins of exponent ", exponent, " from ", first, ", wanted ", wanted.exponent, " from ",
                     wanted.first, " for the range ", number(range[0]), " to ", number(range[1])));
  check_bins(state);
  if (range[0] < range[1] && finite_count(state) < 2)
    throw Error(ErrorKind::kInvalid, "range and counts contradict each other");
}

void merge(ObserverState& into, const ObserverState& from) {
  check(from);
  add_counts(into, finite_count(from), non_finite_count(from));
  if (finite_count(from) == 0) return;
  const float* range = from[kRange].as<float>();
  widen(into, range[0], range[1]);
  add_bins(layout_of(from), from[kBins].as<int64_t>(), layout_of(into), own(into[kBins]).as<int64_t>());
}

Histogram histogram_of(const ObserverState& state) {
  const Layout layout = layout_of(state);
  const int64_t* counts = state[kBins].as<int64_t>();
  const float* range = state[kRange].as<float>();
  return {split_bins(layout.exponent), layout.first, {counts, counts + layout.bins}, {range[0], range[1]}};
}

std::vector<Range> finish(const ObserverState& state, const Observation& observation) {
  check_method(observation, kMethods);
  const Histogram histogram = histogram_of(state);
  if (observation.method == "minmax") return {histogram.range};
  if (observation.method == "percentile")
    return {search_percentile(histogram, observation.spec, observation.percentile)};
  const Histogram usual = without_outliers(histogram);
  return {observation.method == "mse" ? search_mse(usual, observation.spec)
                                      : search_entropy(usual, observation.spec)};
}

// Of whole bins: those below lo, and those that start above hi.
int64_t outside(const ObserverState& state, const Range& range) {
  const Histogram histogram = histogram_of(state);
  int64_t bin = histogram.first, sum = 0;
  for (const int64_t count : histogram.counts) {
    if (lower_edge(histogram.bins, bin) > range.hi || lower_edge(histogram.bins, bin + 1) <= range.lo)
      sum += count;
    ++bin;
  }
  return sum;
}

}  // namespace

extern const ObserverDef observer_histogram;
constinit const ObserverDef observer_histogram = {
    .name = "histogram",
    .doc = "how often values fall into 2049 to 4096 bins and finer ones at zero, exactly",
    .fields = kFields,
    .methods = kMethods,
    .init = init,
    .update = update,
    .merge = merge,
    .check = check,
    .count = finite_count,
    .non_finite = non_finite_count,
    .finish = finish,
    .outside = outside,
};

}  // namespace q
