// quantize and dequantize, and the observers.
#include <cmath>
#include <optional>

#include "golden_net.h"
#include "golden_runner.h"
#include "q/exec.h"
#include "q/observer.h"
#include "q/quant.h"
#include "quant/search.h"

namespace q {
namespace {

using nlohmann::json;

// ---- quantize and dequantize ----

void test_quantize(const GoldenCase& c, const std::string&, Tally& tally) {
  const Tensor& x = c.inputs.at("x");
  const TensorType& type = c.expected.at("q").type;
  compare(c, "q", quantize(x.view(), type.dtype, *type.qparams), tally);
  if (is_per_channel(type.qparams->scheme) || type.dtype == DType::kI32) return;
  Net net;  // activations
  compare(c, "q", net.run(net.node("quantize", {net.input(x)}, {}, type)), tally);
}

void test_dequantize(const GoldenCase& c, const std::string&, Tally& tally) {
  const Tensor& q = c.inputs.at("q");
  compare(c, "x", dequantize(q.view()), tally);
  if (is_per_channel(q.type.qparams->scheme) || q.type.dtype == DType::kI32) return;
  Net net;
  compare(c, "x", net.run(net.node("dequantize", {net.input(q)}, {}, c.expected.at("x").type)), tally);
}

// ---- observers ----

// Nothing for a scheme that libq does not have.
std::optional<QuantSpec> spec_of(const json& params) {
  const std::optional<QScheme> scheme = parse_qscheme(params.value("qscheme", ""));
  if (!scheme) return {};
  return QuantSpec{.dtype = params.at("dtype") == "quint8" ? DType::kU8 : DType::kI8,
                   .scheme = *scheme,
                   .axis = params.value("ch_axis", 0),
                   .quant_min = params.value("effective_quant_min", 0),
                   .quant_max = params.value("effective_quant_max", 255),
                   .eps = params.value("eps", 0x1p-23f)};
}

void compare_qparams(const GoldenCase& c, const QParams& qparams, Tally& tally) {
  compare(c, "scale", qparams.scales, tally);
  compare(c, "zero_point", {qparams.zero_points.begin(), qparams.zero_points.end()}, tally);
}

void test_min_max(const GoldenCase& c, const std::string&, Tally& tally) {
  const std::optional<QuantSpec> spec = spec_of(c.params);
  if (!spec) {
    ++tally.without_operator;
    return;
  }
  const bool per_channel = is_per_channel(spec->scheme);
  const ObserverDef& observer = *find_observer(per_channel ? "per_channel_minmax" : "minmax");
  ObserverState state = observer.init(per_channel ? c.inputs.at("x0").type.shape[spec->axis] : 1);
  for (const auto& [name, x] : c.inputs) observer.update(state, x.view(), spec->axis, kernels_for(""));
  const std::vector<Range> ranges =
      observer.finish(state, {.spec = *spec, .observer = {}, .method = "minmax", .shares = {}});
  std::vector<double> lo, hi;
  for (const Range& range : ranges) lo.push_back(range.lo), hi.push_back(range.hi);
  compare(c, "min_val", lo, tally);
  compare(c, "max_val", hi, tally);
  QParams qparams = choose_qparams(*spec, ranges, c.name);
  // Torch tells the limits of quint8 when they are given from the same limits when they are not: 127 instead
  // of 128. Ours does not.
  const bool given_whole = spec->dtype == DType::kU8 && is_symmetric(spec->scheme) &&
                           !c.params.at("quant_min").is_null() && spec->quant_min == 0 &&
                           spec->quant_max == 255;
  if (given_whole)
    for (int32_t& zero_point : qparams.zero_points) --zero_point;
  compare_qparams(c, qparams, tally);
}

// Only the search: our histograms have other bins. torch searches among the bins of the case's histogram, for
// 256 levels between its ends whatever the scheme and its limits are.
void test_search(const GoldenCase& c, const std::string&, Tally& tally) {
  const Tensor& histogram = c.expected.at("histogram");
  std::vector<int64_t> counts;
  // Torch deals counts to finer bins when the range widens: the fractions are of powers of two.
  for (double count : values_of(histogram)) counts.push_back(std::llround(std::ldexp(count, 14)));
  const float bins = static_cast<float>(counts.size());
  const Range found = search_mse({even_bins(0), 0, counts, {0, bins}}, QuantSpec{});

  const float lo = *c.expected.at("min_val").as<float>(), hi = *c.expected.at("max_val").as<float>();
  const float width = (hi - lo) / bins;
  const Range range{lo + width * found.lo, lo + width * found.hi};
  if (c.expected.contains("new_min")) {
    compare(c, "start_bin", {found.lo}, tally);
    compare(c, "end_bin", {found.hi - 1.0}, tally);
    compare(c, "new_min", {range.lo}, tally);
    compare(c, "new_max", {range.hi}, tally);
  }
  compare_qparams(c, choose_qparams(*spec_of(c.params), {&range, 1}, c.name), tally);
}

constexpr Runner kRunners[] = {
    {"quantize_per_tensor", "quantize", test_quantize}, {"quantize_per_channel", "quantize", test_quantize},
    {"dequantize", "dequantize", test_dequantize},      {"MinMaxObserver", "", test_min_max},
    {"PerChannelMinMaxObserver", "", test_min_max},     {"HistogramObserver", "", test_search},
};

}  // namespace

std::span<const Runner> quantize_runners() { return kRunners; }

}  // namespace q
