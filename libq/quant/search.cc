#include "quant/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/math.h"
#include "base/text.h"

namespace q {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Not 2^bits, which torch takes whatever the limits: 0..127 has half the levels of 0..255, and another best
// range.
int64_t levels_of(const QuantSpec& spec) { return int64_t{spec.quant_max} - spec.quant_min + 1; }

// From the lower edge of bin `from` to that of bin `to`, as far as there are values. Edges are binary32
// numbers but for one beyond its largest, which is not taken.
Range cut(const Histogram& h, int64_t from, int64_t to) {
  return {static_cast<float>(std::max<double>(h.range.lo, lower_edge(h.bins, from))),
          static_cast<float>(std::min<double>(h.range.hi, lower_edge(h.bins, to)))};
}

// Sums of the first 0, 1, 2, … entries.
template <typename T>
std::vector<T> running_sums(std::span<const T> values) {
  std::vector<T> sums(values.size() + 1);
  for (size_t i = 0; i < values.size(); ++i) sums[i + 1] = sums[i] + values[i];
  return sums;
}

// The squared error, but for a constant factor, of rounding values spread evenly in bins [first, …) to the
// middles of `levels` cells of equal size between the lower edges of bins `from` and `to`; values beyond go
// to the first or last cell.
//
// With t counting cells and d = clamp(floor(t), 0, levels - 1), the square of the distance to the middle has
// the integral d/12 + ((t - d - 1/2)^3 + 1/8)/3 from 0 to t. It is taken between the edges of each bin; these
// are whole cells and parts of 1 / (to - from), stepped in integers.
double squared_error(std::span<const int64_t> counts, int64_t first, int64_t from, int64_t to,
                     int64_t levels) {
  struct Edge {
    int64_t cell;
    double cube;
  };
  const int64_t width = to - from, step = levels / width, step_parts = levels % width;
  const double inverse_width = 1 / static_cast<double>(width);
  const auto edge_at = [&](int64_t whole, int64_t parts) {
    const int64_t cell = std::clamp<int64_t>(whole, 0, levels - 1);
    const double offset =
        static_cast<double>(whole - cell) + static_cast<double>(parts) * inverse_width - 0.5;
    return Edge{cell, offset * offset * offset};
  };
  const int64_t start = (first - from) * levels;
  int64_t parts = ((start % width) + width) % width, whole = (start - parts) / width;
  Edge lower = edge_at(whole, parts);
  double sum = 0;
  for (const int64_t count : counts) {
    whole += step;
    parts += step_parts;
    if (parts >= width) {
      parts -= width;
      ++whole;
    }
    const Edge upper = edge_at(whole, parts);
    sum += static_cast<double>(count) *
           (static_cast<double>(upper.cell - lower.cell) / 12 + (upper.cube - lower.cube) / 3);
    lower = upper;
  }
  const double cell = static_cast<double>(width) / static_cast<double>(levels);
  return sum * cell * cell * cell;
}

constexpr double kStep = 1e-5;  // share of the values that a step of the greedy search cuts

Range search_mse_affine(const Histogram& h, int64_t levels) {
  const std::vector<int64_t> sums = running_sums<int64_t>(h.counts);
  const double total = static_cast<double>(sums.back());
  const auto up_to = [&](int64_t bin) { return static_cast<double>(sums[static_cast<size_t>(bin) + 1]); };
  int64_t lo = 0, hi = static_cast<int64_t>(h.counts.size()) - 1;  // the bins kept
  int64_t left = lo, right = hi;  // the bins at the next quantiles: they only move inwards
  double low_share = 0, high_share = 1, best = kInfinity;
  while (low_share < high_share) {
    const double next_low = low_share + kStep, next_high = high_share - kStep;
    while (left < hi && up_to(left) < next_low * total) ++left;
    while (right > lo && up_to(right) > next_high * total) --right;
    left = std::min(left, hi);
    right = std::max(right, lo);
    const bool cut_left = left - lo > hi - right;  // ties move the right end
    const int64_t new_lo = cut_left ? left : lo, new_hi = cut_left ? hi : right;
    (cut_left ? low_share : high_share) = cut_left ? next_low : next_high;
    if (new_lo == lo && new_hi == hi) continue;
    const double error = squared_error(h.counts, 0, new_lo, new_hi + 1, levels);
    if (error > best) break;
    best = error;
    lo = new_lo;
    hi = new_hi;
  }
  return cut(h, h.first + lo, h.first + hi + 1);
}

// The same search with one end: the range is -t to t.
Range search_mse_symmetric(const Histogram& h, int64_t levels) {
  const Folded folded = fold(h);
  const std::vector<int64_t> sums = running_sums<int64_t>(folded.counts);
  const double total = static_cast<double>(sums.back());
  int64_t hi = static_cast<int64_t>(folded.counts.size()) - 1, right = hi;
  double best = kInfinity;
  for (double share = 1 - kStep; share > 0; share -= kStep) {
    while (right > 0 && static_cast<double>(sums[static_cast<size_t>(right) + 1]) > share * total) --right;
    if (right == hi) continue;
    const int64_t reach = folded.first + right + 1;
    const double error = squared_error(folded.counts, folded.first, -reach, reach, levels);
    if (error > best) break;
    best = error;
    hi = right;
  }
  const int64_t reach = folded.first + hi + 1;
  return cut(h, -reach, reach);
}

// floor(total * (100 - percentile) / 100) in integers.
int64_t may_be_outside(int64_t total, double percentile) {
  constexpr int64_t kAll = 100'000'000;  // in millionths of a per cent
  const int64_t share = static_cast<int64_t>(std::floor((100 - percentile) * 1e6 + 0.5));
  return total / kAll * share + total % kAll * share / kAll;
}

// How many entries from the front add up to no more than `limit`; never all.
template <typename Counts>
int64_t leading(const Counts& counts, int64_t limit) {
  int64_t cut = 0;
  for (auto count = counts.begin(); count + 1 != counts.end() && *count <= limit; ++count, ++cut)
    limit -= *count;
  return cut;
}

// The bins dropped at the upper end.
int64_t trailing(std::span<const int64_t> counts, int64_t limit) {
  return leading(std::vector<int64_t>(counts.rbegin(), counts.rend()), limit);
}

constexpr int64_t kMostClipped = 100;  // entropy may clip one value in so many
// Divergences that rounding cannot tell apart: sums of some 1e3 terms up to 20 in binary64.
constexpr double kSameDivergence = 1e-11;

double x_log_x(int64_t count) {
  const double x = static_cast<double>(count);
  return count > 0 ? x * q::log(x) : 0;
}

// What a divergence is made of, as running sums over the bins of magnitudes.
class Divergence {
 public:
  explicit Divergence(const Folded& folded) : first_(folded.first) {
    std::vector<int64_t> used;
    std::vector<double> terms;
    for (int64_t count : folded.counts) {
      used.push_back(count > 0);
      terms.push_back(x_log_x(count));
    }
    counts_ = running_sums<int64_t>(folded.counts);
    used_ = running_sums<int64_t>(used);
    terms_ = running_sums<double>(terms);
  }

  // Of the values clipped to the first `reach` bins of magnitude from what `levels` <= reach levels leave:
  // the sum over bins of p ln(p / q), where p = count / total and q = (count of its level / bins in use
  // there) / inside. Bins of one level share ln q. Infinite when clipped values fall into an empty bin.
  double at(int64_t reach, int64_t levels) const {
    const size_t end = index(reach);
    const int64_t total = counts_.back(), inside = counts_[end], outside = total - inside,
                  last = inside - counts_[end - 1];
    if (last == 0) return kInfinity;
    double sum = terms_[end - 1] + x_log_x(last + outside);
    double log_q = 0;
    size_t begin_bin = 0;
    for (int64_t level = first_ * levels / reach; level < levels; ++level) {
      const size_t end_bin =
          index(((level + 1) * reach + levels - 1) / levels);  // a bin lies where its lower edge does
      const int64_t count = counts_[end_bin] - counts_[begin_bin];
      if (count > 0) {
        log_q = q::log(static_cast<double>(count) / static_cast<double>(used_[end_bin] - used_[begin_bin]));
        sum -= static_cast<double>(count) * log_q;
      }
      begin_bin = end_bin;
    }
    sum -= static_cast<double>(outside) * log_q;
    return sum / static_cast<double>(total) - q::log(static_cast<double>(total)) +
           q::log(static_cast<double>(inside));
  }

  int64_t total() const { return counts_.back(); }
  int64_t outside(int64_t reach) const { return counts_.back() - counts_[index(reach)]; }

 private:
  // Where the running sums end before bin `bin`; bins before the first one are empty.
  size_t index(int64_t bin) const { return static_cast<size_t>(std::max<int64_t>(bin - first_, 0)); }

  int64_t first_;
  std::vector<int64_t> counts_, used_;
  std::vector<double> terms_;
};

}  // namespace

Range search_mse(const Histogram& histogram, const QuantSpec& spec) {
  return is_symmetric(spec.scheme) ? search_mse_symmetric(histogram, levels_of(spec))
                                   : search_mse_affine(histogram, levels_of(spec));
}

Range search_percentile(const Histogram& histogram, const QuantSpec& spec, double percentile) {
  if (!(percentile > 0 && percentile <= 100))
    throw Error(ErrorKind::kInvalid,
                text("percentile ", number(percentile), ", wanted more than 0, at most 100"));
  int64_t total = 0;
  for (int64_t count : histogram.counts) total += count;
  const int64_t outside = may_be_outside(total, percentile), end = end_bin(histogram);
  if (is_symmetric(spec.scheme)) {
    const Folded folded = fold(histogram);
    const int64_t reach =
        folded.first + static_cast<int64_t>(folded.counts.size()) - trailing(folded.counts, outside);
    return cut(histogram, -reach, reach);
  }
  if (histogram.range.lo >= 0)
    return cut(histogram, histogram.first, end - trailing(histogram.counts, outside));
  if (histogram.range.hi <= 0)
    return cut(histogram, histogram.first + leading(histogram.counts, outside), end);
  return cut(histogram, histogram.first + leading(histogram.counts, outside / 2),
             end - trailing(histogram.counts, outside / 2));
}

Range search_entropy(const Histogram& histogram, const QuantSpec& spec) {
  Folded folded = fold(histogram);
  // zero is exact at any scale, and after a relu so frequent that nothing else would count
  if (folded.first == 0 && folded.counts.size() > 1) folded.counts[0] = folded.counts[1];
  const Divergence divergence(folded);
  const int64_t all = folded.first + static_cast<int64_t>(folded.counts.size());
  const int64_t negative = std::max<int64_t>(-histogram.first, 0),
                positive = std::max<int64_t>(end_bin(histogram), 0);
  int64_t best_reach = all;
  double best = kInfinity;
  for (int64_t reach = all; reach > folded.first; --reach) {
    if (divergence.outside(reach) > divergence.total() / kMostClipped) break;
    const int64_t covered =
        is_symmetric(spec.scheme) ? 2 * reach : std::min(reach, negative) + std::min(reach, positive);
    const int64_t levels = levels_of(spec) * reach / covered;  // those of [0, t]
    if (levels > reach) continue;
    const double found = divergence.at(reach, levels);
    if (found >= best - kSameDivergence) continue;
    best = found;
    best_reach = reach;
  }
  return cut(histogram, -best_reach, best_reach);
}

}  // namespace q
