// Recurrent layers of one level, as PyTorch's modules have them: its parameters one behind the other are
// ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "golden_net.h"
#include "golden_runner.h"

namespace q {
namespace {

// The parameters of both directions, called `kinds`, one behind the other.
std::vector<float> joined(const GoldenCase& c, std::initializer_list<std::string> kinds) {
  std::vector<float> out;
  for (const std::string& kind : kinds)
    for (const char* direction : {"_l0", "_l0_reverse"})
      if (const auto found = c.inputs.find(kind + direction); found != c.inputs.end())
        for (double value : values_of(found->second)) out.push_back(static_cast<float>(value));
  return out;
}

Tensor tensor_of(const std::vector<float>& values, const Shape& shape) {
  Tensor out = make_tensor(DType::kF32, shape);
  std::memcpy(out.data.get(), values.data(), bytes(DType::kF32, shape));
  return out;
}

// From [T, D, N, H] to [T, N, D * H].
Tensor with_directions_last(const Tensor& y) {
  Shape shape = y.type.shape;
  const int64_t directions = shape[1], samples = shape[2], hidden = shape[3];
  Tensor out = make_tensor(DType::kF32, {shape[0], samples, directions * hidden});
  for (int64_t row = 0; row < shape[0] * directions * samples; ++row) {
    const int64_t n = row % samples, d = row / samples % directions, t = row / samples / directions;
    std::copy_n(y.as<float>() + row * hidden, hidden,
                out.as<float>() + ((t * samples + n) * directions + d) * hidden);
  }
  return out;
}

Attrs recurrent_attrs(const GoldenCase& c, const std::string& op) {
  Attrs attrs = attrs_of(c.params, op, {"hidden_size", "num_layers", "bidirectional", "batch_first"});
  if (c.params.at("bidirectional")) attrs.emplace("direction", std::string("bidirectional"));
  if (op == "gru") attrs.emplace("linear_before_reset", int64_t{1});
  return attrs;
}

void test_recurrent(const GoldenCase& c, const std::string& op, Tally& tally) {
  const Tensor &x = c.inputs.at("x"), &first = c.inputs.at("weight_hh_l0");
  const int64_t hidden = first.type.shape[1];
  const int64_t rows = first.type.shape[0] * (c.params.at("bidirectional") ? 2 : 1);
  Net net;
  std::vector<ValueId> inputs = {net.input(x),
                                 net.constant(tensor_of(joined(c, {"weight_ih"}), {rows, x.type.shape[2]})),
                                 net.constant(tensor_of(joined(c, {"weight_hh"}), {rows, hidden})),
                                 net.constant(tensor_of(joined(c, {"bias_ih", "bias_hh"}), {2, rows}))};
  for (const char* state : {"h0", "c0"})
    if (c.inputs.contains(state)) inputs.push_back(net.input(c.inputs.at(state)));
  std::vector<Tensor> results =
      net.run(net.node(op, inputs, recurrent_attrs(c, op), std::vector<TensorType>(c.expected.size())));
  compare(c, "y", with_directions_last(results[0]), tally);
  compare(c, "h", results[1], tally);
  if (c.expected.contains("c")) compare(c, "c", results[2], tally);
}

constexpr Runner kRunners[] = {
    {"float_lstm", "lstm", test_recurrent},
    {"float_gru", "gru", test_recurrent},
    {"float_rnn", "rnn", test_recurrent},
};

}  // namespace

std::span<const Runner> recurrent_runners() { return kRunners; }

}  // namespace q
