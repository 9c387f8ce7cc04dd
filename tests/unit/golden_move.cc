// Operators that move elements, look them up, or make more of them.
#include <gtest/gtest.h>

#include <cstring>

#include "golden_net.h"
#include "golden_rules.h"
#include "golden_runner.h"

namespace q {
namespace {

using nlohmann::json;

void test_cat_relu(const GoldenCase& c, const std::string& op, Tally& tally) {
  const TensorType& type = c.expected.at("y").type;
  Net net;
  std::vector<ValueId> parts;
  for (const auto& [name, part] : c.inputs) parts.push_back(net.input(part));
  const ValueId y = net.node(op, parts, attrs_of(c.params, op), type);
  compare(c, "y", net.run(net.node("relu", {y}, {}, type)), tally);
}

// PyTorch's names of modes are those of images; ours, and how pixels lie, are ONNX's.
void test_interpolate(const GoldenCase& c, const std::string& op, Tally& tally) {
  const std::string mode = c.params.at("mode");
  const bool nearest = mode == "nearest", cubic = mode == "bicubic";
  const bool aligned = c.params.value("align_corners", false);
  const Attrs attrs = {
      {"mode", std::string(nearest ? "nearest"
                           : cubic ? "cubic"
                                   : "linear")},
      {"coordinate_transformation_mode", std::string(nearest   ? "asymmetric"
                                                     : aligned ? "align_corners"
                                                               : "half_pixel")},
      {"nearest_mode", std::string("floor")},
      {"sizes", ints_of(c.params.at("size"))},
  };
  compare(c, "y", result_of(c, op, attrs), tally);
}

// ---- bags ----

// Rows as PyTorch packs them: integers of 8 bits with a scale and a bias in binary32 behind them, or of 4
// bits with both in binary16.
Tensor unpacked(const Tensor& packed, bool bytes_each) {
  const int64_t rows = packed.type.shape[0], width = packed.type.shape[1];
  const int64_t columns = bytes_each ? width - 8 : 2 * (width - 4);
  Tensor out = make_tensor(DType::kF32, {rows, columns});
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t* from = packed.as<uint8_t>() + row * width;
    float scale = 0, bias = 0;
    if (bytes_each) {
      std::memcpy(&scale, from + columns, sizeof scale);
      std::memcpy(&bias, from + columns + 4, sizeof bias);
    } else {
      _Float16 halves[2];
      std::memcpy(halves, from + columns / 2, sizeof halves);
      scale = static_cast<float>(halves[0]), bias = static_cast<float>(halves[1]);
    }
    for (int64_t i = 0; i < columns; ++i) {
      const int q = bytes_each ? from[i] : from[i / 2] >> 4 * (i % 2) & 15;
      out.as<float>()[row * columns + i] = scale * static_cast<float>(q) + bias;
    }
  }
  return out;
}

// Elements [first, end) of a list, as one row.
Tensor row_of(const Tensor& list, int64_t first, int64_t end) {
  TensorType type = list.type;
  type.shape = {1, end - first};
  Tensor out = make_tensor(type);
  const size_t size = bytes(type.dtype, {1});
  std::memcpy(out.data.get(), list.data.get() + static_cast<size_t>(first) * size,
              static_cast<size_t>(end - first) * size);
  return out;
}

// The case of one bag of those that begin at `offsets`.
GoldenCase bag_of(const GoldenCase& c, int64_t bag) {
  const Tensor &offsets = c.inputs.at("offsets"), &indices = c.inputs.at("indices");
  const bool is_last = bag + 1 == offsets.type.shape[0];
  const int64_t first = integers_of(offsets)[static_cast<size_t>(bag)];
  const int64_t end = is_last ? indices.type.shape[0] : integers_of(offsets)[static_cast<size_t>(bag + 1)];
  GoldenCase out = c;
  out.params = {{"mode", c.params.at("mode")}};
  out.inputs = {{"indices", row_of(indices, first, end)},
                {"weight", unpacked(c.inputs.at("packed"), c.params.at("format") == "byte")}};
  if (c.inputs.contains("per_sample_weights"))
    out.inputs.emplace("per_sample_weights", row_of(c.inputs.at("per_sample_weights"), first, end));
  const Tensor& y = c.expected.at("y");
  const int64_t width = y.type.shape[1];
  out.expected = {{"y", row_of(y, bag * width, (bag + 1) * width)}};
  return out;
}

// PyTorch's bags lie in a list, of any lengths; ours are rows.
void test_embedding_bag(const GoldenCase& c, const std::string& op, Tally& tally) {
  for (int64_t bag = 0; bag < c.inputs.at("offsets").type.shape[0]; ++bag) {
    const GoldenCase one = bag_of(c, bag);
    if (elements(one.inputs.at("indices").type.shape) > 0) test_plain(one, op, tally);
  }
}

constexpr Runner kRunners[] = {
    {"cat", "cat", test_plain},
    {"cat_default", "cat", test_plain},
    {"cat_relu", "cat", test_cat_relu},
    {"reshape", "reshape", test_plain},
    {"flatten", "flatten", test_plain},
    {"transpose", "transpose", test_plain},
    {"squeeze", "squeeze", test_plain},
    {"unsqueeze", "unsqueeze", test_plain},
    {"pad", "pad", test_plain},
    {"pixel_shuffle", "pixel_shuffle", test_plain},
    {"channel_shuffle", "channel_shuffle", test_plain},
    {"interpolate", "interpolate", test_interpolate},
    {"embedding_bag", "embedding_bag", test_embedding_bag},
    {"float_pad", "pad", test_plain},
    {"float_pixel_shuffle", "pixel_shuffle", test_plain},
    {"float_channel_shuffle", "channel_shuffle", test_plain},
    {"float_interpolate", "interpolate", test_interpolate},
    {"float_embedding", "embedding", test_plain},
    {"float_embedding_bag", "embedding_bag", test_plain},
};

}  // namespace

std::span<const Runner> move_runners() { return kRunners; }

}  // namespace q
