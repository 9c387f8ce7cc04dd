// Pools.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "golden_rules.h"
#include "golden_runner.h"
#include "golden_window.h"

namespace q {
namespace {

using nlohmann::json;

// Ours is the rule of torch's kernels for channels-last images, and for volumes. Those for contiguous images
// round the mean of q, not of q - z, and qnnpack's multiply by s / (s * n) instead of 1 / n: the results
// differ by one where the mean lies in the middle between two integers.
void compare_means(const GoldenCase& c, const std::vector<GoldenMean>& means, const Tensor& actual,
                   Tally& tally) {
  const bool shifted = c.params.at("memory_format") == "contiguous" && c.op != "avg_pool3d";
  const bool other_rule = shifted || c.engine == "qnnpack";
  const std::vector<int64_t> ours = integers_of(actual), theirs = integers_of(c.expected.at("y"));
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] == theirs[i]) continue;
    ++tally.different;
    EXPECT_TRUE(other_rule && means[i].is_tie() && std::abs(ours[i] - theirs[i]) == 1)
        << "[" << i << "] is " << ours[i] << ", torch's " << theirs[i] << ", the mean of q - z "
        << means[i].sum << " / " << means[i].divisor;
  }
  tally.elements += ours.size();
}

void test_mean(const GoldenCase& c, const std::string& op, Tally& tally) {
  const bool adaptive = op == "adaptive_avg_pool";
  const bool counts_padding = c.params.value("count_include_pad", false);
  const json override = c.params.value("divisor_override", json());
  const Tensor actual = result_of(c, op, window_attrs(c.params, op));
  const Tensor &x = c.inputs.at("x"), &y = c.expected.at("y");
  EXPECT_EQ(actual.type.shape, y.type.shape);
  if (!y.type.qparams) {
    compare(c, "y", actual, tally);
    return;
  }

  std::vector<GoldenMean> means = adaptive ? adaptive_means_of(x, y.type.shape)
                                           : means_of(x, window_of(c.params), counts_padding, y.type.shape);
  if (!override.is_null())
    for (GoldenMean& mean : means) mean.divisor = override.get<int64_t>();
  EXPECT_EQ(integers_of(actual), averages_by_rule(means, adaptive, y.type));
  // qnnpack's kernel counts padding whether it is asked to or not
  if (c.engine == "qnnpack" && !adaptive && !counts_padding) return;
  compare_means(c, means, actual, tally);
}

void test_maximum(const GoldenCase& c, const std::string& op, Tally& tally) {
  const Tensor& x = c.inputs.at("x");
  const GoldenWindow window = window_of(c.params);
  const Tensor actual = result_of(c, op, window_attrs(c.params, op));
  const Shape& shape = c.expected.at("y").type.shape;
  EXPECT_EQ(actual.type.shape, shape);
  if (x.type.qparams) {
    EXPECT_EQ(integers_of(actual), maxima_by_rule(x, window, shape));
  }
  // qnnpack's kernel reads the wrong pixels when there are both dilation and padding
  const bool dilated = *std::max_element(window.dilation.begin(), window.dilation.end()) > 1;
  const bool padded = *std::max_element(window.padding.begin(), window.padding.end()) > 0;
  if (!(c.engine == "qnnpack" && dilated && padded)) compare(c, "y", actual, tally);
}

constexpr Runner kRunners[] = {
    {"avg_pool2d", "avg_pool", test_mean},
    {"avg_pool3d", "avg_pool", test_mean},
    {"adaptive_avg_pool2d", "adaptive_avg_pool", test_mean},
    {"adaptive_avg_pool3d", "adaptive_avg_pool", test_mean},
    {"max_pool1d", "max_pool", test_maximum},
    {"max_pool2d", "max_pool", test_maximum},
    {"float_avg_pool2d", "avg_pool", test_mean},
    {"float_adaptive_avg_pool2d", "adaptive_avg_pool", test_mean},
    {"float_max_pool2d", "max_pool", test_maximum},
    {"float_adaptive_max_pool1d", "adaptive_max_pool", test_plain},
    {"float_adaptive_max_pool2d", "adaptive_max_pool", test_plain},
    {"float_adaptive_max_pool3d", "adaptive_max_pool", test_plain},
};

}  // namespace

std::span<const Runner> pool_runners() { return kRunners; }

}  // namespace q
