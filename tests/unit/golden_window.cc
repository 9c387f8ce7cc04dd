#include "golden_window.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "golden_runner.h"

namespace q {

using nlohmann::json;

namespace {

// The entries of a parameter for the last axes of a window.
GoldenWindow::Axes axes_of(const json& value, GoldenWindow::Axes fallback) {
  const Ints given = value.is_null() ? Ints{} : ints_of(value);
  std::copy(given.begin(), given.end(), fallback.end() - std::ssize(given));
  return fallback;
}

}  // namespace

GoldenWindow window_of(const json& params) {
  const auto parameter = [&](const char* name) { return params.value(name, json()); };
  return {.kernel = axes_of(parameter("kernel"), {1, 1, 1}),
          .stride = axes_of(parameter("stride"), {1, 1, 1}),
          .padding = axes_of(parameter("padding"), {0, 0, 0}),
          .dilation = axes_of(parameter("dilation"), {1, 1, 1}),
          .transposed = params.value("transpose", false)};
}

Attrs window_attrs(const json& params, const std::string& op) {
  // PyTorch's modules have output_padding either way
  const std::string_view without_use = params.value("transpose", false) ? "" : "output_padding";
  Attrs attrs = attrs_of(params, op, {"padding", "relu", "transpose", without_use});
  if (params.contains("padding")) {
    Ints pads = ints_of(params.at("padding"));
    const Ints ends = pads;
    pads.insert(pads.end(), ends.begin(), ends.end());
    attrs.emplace("pads", pads);
  }
  return attrs;
}

}  // namespace q
