#include "quant/histogram.h"

#include <algorithm>
#include <cmath>

namespace q {

namespace {

constexpr int64_t kFewValues = 1000, kOneOutlierIn = 10'000;
constexpr double kFarther = 2;

int64_t mirrored(int64_t bin) { return bin < 0 ? -1 - bin : bin; }

// The last bin of magnitudes that holds no outlier.
int64_t last_usual(const Histogram& h) {
  const Folded folded = fold(h);
  const int64_t last = folded.first + std::ssize(folded.counts) - 1;
  const auto count_of = [&](int64_t bin) { return folded.counts[static_cast<size_t>(bin - folded.first)]; };
  int64_t values = 0;
  for (int64_t bin = std::max<int64_t>(folded.first, 1); bin <= last; ++bin) values += count_of(bin);
  const int64_t most = values < kFewValues ? 0 : std::max<int64_t>(values / kOneOutlierIn, 1);
  int64_t beyond = count_of(last), next = last, found = last;
  for (int64_t bin = last - 1; bin > 0 && bin >= folded.first && beyond <= most; --bin) {
    if (count_of(bin) == 0) continue;
    if (lower_edge(h.bins, next) >= kFarther * lower_edge(h.bins, bin + 1)) found = bin;
    beyond += count_of(bin);
    next = bin;
  }
  return found;
}

// Adds `count` to the bins of `out` that the magnitudes of bin `bin` >= 0 of `bins` cover, as even as
// integers are and more of it away from zero; `negative`: to their mirror images. Bin 0 holds zeros above all
// and stays one.
void deal(int64_t count, const BinsF32& bins, int64_t bin, bool negative, Histogram& out) {
  const int64_t from = bin_in(out.bins, bins, bin);
  const float end = static_cast<float>(lower_edge(bins, bin + 1));
  const int64_t places = bin == 0 ? 1 : bin_of(out.bins, std::nextafter(end, 0.f)) - from + 1;
  for (int64_t i = 0; i < places; ++i) {
    const int64_t rest = count % places, part = count / places + rest * (i + 1) / places - rest * i / places;
    const int64_t place = negative ? -1 - (from + i) : from + i;
    out.counts[static_cast<size_t>(place - out.first)] += part;
  }
}

void drop_empty_ends(Histogram& h) {
  while (h.counts.back() == 0) h.counts.pop_back();
  const auto first = std::find_if(h.counts.begin(), h.counts.end(), [](int64_t count) { return count > 0; });
  h.first += first - h.counts.begin();
  h.counts.erase(h.counts.begin(), first);
}

}  // namespace

int64_t end_bin(const Histogram& h) { return h.first + std::ssize(h.counts); }

Folded fold(const Histogram& h) {
  const int64_t last = end_bin(h) - 1;
  const int64_t first = h.first >= 0 ? h.first : last < 0 ? mirrored(last) : 0;
  Folded out{first, std::vector<int64_t>(static_cast<size_t>(std::max(last, mirrored(h.first)) - first + 1))};
  for (int64_t bin = h.first; bin <= last; ++bin)
    out.counts[static_cast<size_t>(mirrored(bin) - first)] += h.counts[static_cast<size_t>(bin - h.first)];
  return out;
}

Histogram evened(const Histogram& split) {
  const BinsF32 bins = {split.bins.scale, 0, 0, 0};
  const auto bin_at = [&](int64_t bin) { return bin_in(bins, split.bins, bin); };
  Histogram out{bins, bin_at(split.first), {}, split.range};
  out.counts.resize(static_cast<size_t>(bin_at(end_bin(split) - 1) - out.first + 1));
  for (int64_t bin = split.first; bin < end_bin(split); ++bin)
    out.counts[static_cast<size_t>(bin_at(bin) - out.first)] +=
        split.counts[static_cast<size_t>(bin - split.first)];
  return out;
}

Histogram without_outliers(const Histogram& split) {
  const int64_t last = last_usual(split);
  Histogram usual = split;
  for (int64_t bin = split.first; bin < end_bin(split); ++bin)
    if (mirrored(bin) > last) usual.counts[static_cast<size_t>(bin - split.first)] = 0;
  drop_empty_ends(usual);
  if (usual.counts.size() == split.counts.size()) return evened(split);

  const float lo = static_cast<float>(lower_edge(usual.bins, usual.first)),
              hi = std::nextafter(static_cast<float>(lower_edge(usual.bins, end_bin(usual))), lo);
  Histogram out{
      even_bins(even_exponent(lo, hi)), 0, {}, {std::max(split.range.lo, lo), std::min(split.range.hi, hi)}};
  out.first = bin_of(out.bins, lo);
  out.counts.resize(static_cast<size_t>(bin_of(out.bins, hi) - out.first + 1));
  for (int64_t bin = usual.first; bin < end_bin(usual); ++bin)
    deal(usual.counts[static_cast<size_t>(bin - usual.first)], usual.bins, mirrored(bin), bin < 0, out);
  drop_empty_ends(out);
  return out;
}

}  // namespace q
