#include "ops/shared/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/text.h"

namespace q {

namespace {

void check_word(const Attrs& attrs, std::string_view name, std::span<const std::string_view> known) {
  const std::string& word = attr_string(attrs, name);
  if (std::ranges::find(known, word) != known.end()) return;
  std::string list;
  for (const std::string_view each : known)
    list += text(list.empty() ? "" : each == known.back() ? " or " : ", ", each);
  throw Error(ErrorKind::kInvalid, text("attribute ", name, " is \"", word, "\", wanted ", list));
}

constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kTransforms[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                            "align_corners", "asymmetric"};
constexpr std::string_view kNearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

// One axis of both images. scale: output positions for each of the input; step: the inverse.
struct Axis {
  float in, out, scale, step;
};

Axis axis_of(const Attrs& attrs, int axis, int64_t in, int64_t out) {
  const Floats& scales = attr_floats(attrs, "scales");
  const float from = static_cast<float>(in), to = static_cast<float>(out);
  if (scales.empty()) return {from, to, to / from, from / to};
  const float scale = static_cast<float>(scales[static_cast<size_t>(axis)]);
  return {from, to, scale, 1 / scale};
}

// Where in the input an output position lies.
float position_of(const std::string& transform, const Axis& axis, float at) {
  if (transform == "align_corners") return axis.out == 1 ? 0 : at * ((axis.in - 1) / (axis.out - 1));
  if (transform == "asymmetric") return at * axis.step;
  if (transform == "pytorch_half_pixel" && axis.out == 1) return 0;
  const float half_pixel = (at + 0.5f) * axis.step - 0.5f;
  if (transform != "half_pixel_symmetric") return half_pixel;
  return axis.in / 2 * (1 - axis.out / (axis.scale * axis.in)) + half_pixel;
}

float nearest_of(const std::string& rule, float position) {
  if (rule == "floor") return std::floor(position);
  if (rule == "ceil") return std::ceil(position);
  return rule == "round_prefer_floor" ? std::ceil(position - 0.5f) : std::floor(position + 0.5f);
}

// Keys' convolution kernel with parameter a, for the four neighbours of a position t behind the second.
std::array<float, 4> cubic_weights(float t, float a) {
  const auto near = [a](float x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [a](float x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

// Weights of neighbours outside of the image are dealt to the others.
void leave_out_outside(std::array<float, 4>& weights, int64_t first, int64_t in) {
  float sum = 0;
  for (int64_t i = 0; i < 4; ++i) {
    float& weight = weights[static_cast<size_t>(i)];
    if (first + i < 0 || first + i >= in) weight = 0;
    sum += weight;
  }
  for (float& weight : weights) weight /= sum;
}

}  // namespace

Ints resized_extents(const Attrs& attrs, std::span<const int64_t> in) {
  check_word(attrs, "mode", kModes);
  check_word(attrs, "coordinate_transformation_mode", kTransforms);
  check_word(attrs, "nearest_mode", kNearest);
  const Ints& sizes = attr_ints(attrs, "sizes");
  const Floats& scales = attr_floats(attrs, "scales");
  const auto fits = [&](size_t count) { return count == 0 || count == in.size(); };
  if (!fits(sizes.size()) || !fits(scales.size()) || sizes.size() + scales.size() == 0)
    throw Error(ErrorKind::kInvalid, text("attributes sizes and scales have ", sizes.size(), " and ",
                                          scales.size(), " entries, wanted ", in.size(), " of one of them"));
  Ints out;
  for (size_t axis = 0; axis < in.size(); ++axis) {
    const float scale = scales.empty() ? 1 : static_cast<float>(scales[axis]);
    if (!(scale > 0 && std::isfinite(scale) && std::isfinite(1 / scale)))
      throw Error(ErrorKind::kInvalid,
                  text("attribute scales holds ", number(scale), ", wanted more than 0"));
    const float extent =
        sizes.empty() ? std::floor(static_cast<float>(in[axis]) * scale) : static_cast<float>(sizes[axis]);
    if (!(extent >= 1 && extent < 0x1p31f))
      throw Error(ErrorKind::kInvalid, text("spatial axis ", axis, " would have ", number(extent),
                                            " positions, wanted 1 to ", INT32_MAX));
    out.push_back(sizes.empty() ? static_cast<int64_t>(extent) : sizes[axis]);
  }
  return out;
}

ResizeAxis resize_axis(const Attrs& attrs, int axis, int64_t in, int64_t out) {
  const std::string &mode = attr_string(attrs, "mode"), &rule = attr_string(attrs, "nearest_mode"),
                    &transform = attr_string(attrs, "coordinate_transformation_mode");
  const Axis extents = axis_of(attrs, axis, in, out);
  const float a = static_cast<float>(attr_float(attrs, "cubic_coeff_a"));
  const bool leaves_out = attr_int(attrs, "exclude_outside") != 0;
  ResizeAxis table;
  const auto add = [&](float first, std::span<const float> weights) {
    for (size_t i = 0; i < weights.size(); ++i) {
      table.sources.push_back(
          std::clamp<int64_t>(static_cast<int64_t>(first) + static_cast<int64_t>(i), 0, in - 1));
      table.weights.push_back(weights[i]);
    }
    table.taps = std::ssize(weights);
  };
  for (int64_t i = 0; i < out; ++i) {
    // nothing that is read depends on how far outside
    float position = std::clamp(position_of(transform, extents, static_cast<float>(i)), -4.f, extents.in + 3);
    if (mode == "nearest") {
      constexpr float kWhole[] = {1};
      add(nearest_of(rule, position), kWhole);
    } else if (mode == "linear") {
      position = std::clamp(position, 0.f, static_cast<float>(in - 1));
      const float first = std::floor(position), behind = position - first;
      add(first, std::array{1 - behind, behind});
    } else {
      const float first = std::floor(position);
      std::array<float, 4> weights = cubic_weights(position - first, a);
      if (leaves_out) leave_out_outside(weights, static_cast<int64_t>(first) - 1, in);
      add(first - 1, weights);
    }
  }
  return table;
}

}  // namespace q
