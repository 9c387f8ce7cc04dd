#include "ops/shared/transposed_window.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/text.h"

namespace q {

namespace {

std::vector<AxisPhase> axis_phases(const Window& window, size_t axis, int64_t outputs) {
  const int64_t stride = window.strides[axis], dilation = window.dilations[axis];
  std::map<int64_t, AxisPhase> by_remainder;
  for (int64_t tap = window.kernel[axis]; tap-- > 0;) {
    const int64_t shift = (tap * dilation - window.begins[axis]) % stride;
    const int64_t first = shift < 0 ? shift + stride : shift;
    if (first < outputs) by_remainder[first].taps.push_back(tap);
  }
  std::vector<AxisPhase> phases;
  for (auto& [first, phase] : by_remainder) {
    phase.first = first;
    phase.outputs = (outputs - first + stride - 1) / stride;
    phase.begin = (phase.taps[0] * dilation - first - window.begins[axis]) / stride;
    phase.dilation = dilation / std::gcd(stride, dilation);
    phases.push_back(std::move(phase));
  }
  return phases;
}

std::vector<bool> met(const Window& window, size_t axis, int64_t outputs) {
  std::vector<bool> out(static_cast<size_t>(outputs), false);
  for (const AxisPhase& phase : axis_phases(window, axis, outputs)) {
    for (int64_t i = phase.first; i < outputs; i += window.strides[axis]) out[static_cast<size_t>(i)] = true;
  }
  return out;
}

}  // namespace

Ints output_padding_of(const Attrs& attrs, const Window& window) {
  const Ints& list = attr_ints(attrs, "output_padding");
  if (list.empty()) return Ints(window.kernel.size(), 0);
  if (list.size() != window.kernel.size())
    throw Error(ErrorKind::kInvalid, text("attribute output_padding has ", list.size(), " entries, wanted ",
                                          window.kernel.size()));
  for (size_t axis = 0; axis < list.size(); ++axis) {
    const int64_t most = std::max(window.strides[axis], window.dilations[axis]) - 1;
    if (list[axis] < 0 || list[axis] > most)
      throw Error(ErrorKind::kInvalid, text("attribute output_padding holds ", list[axis], ", wanted 0 to ",
                                            most, ", below stride or dilation"));
  }
  return list;
}

int64_t full_extent(const Window& window, size_t axis, int64_t in) {
  return (in - 1) * window.strides[axis] + (window.kernel[axis] - 1) * window.dilations[axis] + 1;
}

std::vector<Phase> phases_of(const Window& window, std::span<const int64_t> outputs) {
  std::vector<Phase> out = {{}};
  for (size_t axis = 0; axis < window.kernel.size(); ++axis) {
    std::vector<Phase> longer;
    for (const Phase& before : out) {
      for (const AxisPhase& phase : axis_phases(window, axis, outputs[axis])) {
        longer.push_back(before);
        longer.back().push_back(phase);
      }
    }
    out = std::move(longer);
  }
  return out;
}

std::vector<int64_t> taps_of(const Phase& phase, const Ints& kernel) {
  std::vector<int64_t> out = {0};
  for (size_t axis = 0; axis < phase.size(); ++axis) {
    std::vector<int64_t> longer;
    for (const int64_t before : out) {
      for (const int64_t tap : phase[axis].taps) longer.push_back(before * kernel[axis] + tap);
    }
    out = std::move(longer);
  }
  return out;
}

Gaps gaps_of(const Window& window, std::span<const int64_t> out, int64_t images) {
  const size_t last = out.size() - 1;
  Gaps gaps{.extent = out[last], .line_is_gap = {false}};
  for (size_t axis = 0; axis < last; ++axis) {
    std::vector<bool> longer;
    for (const bool before : gaps.line_is_gap) {
      for (const bool is_met : met(window, axis, out[axis])) longer.push_back(before || !is_met);
    }
    gaps.line_is_gap = std::move(longer);
  }
  const std::vector<bool> inner = met(window, last, out[last]);
  for (int64_t i = 0; i < gaps.extent; ++i) {
    if (inner[static_cast<size_t>(i)]) continue;
    if (gaps.runs.empty() || gaps.runs.back().second != i) gaps.runs.emplace_back(i, i);
    gaps.runs.back().second = i + 1;
  }
  gaps.lines = images * std::ssize(gaps.line_is_gap);
  gaps.any = !gaps.runs.empty() || std::ranges::count(gaps.line_is_gap, true) > 0;
  return gaps;
}

}  // namespace q
