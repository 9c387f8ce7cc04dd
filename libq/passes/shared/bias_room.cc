#include "passes/shared/bias_room.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/text.h"

namespace q {

namespace {

// What an integer bias may be at most, sums of so many products of u8 and i8 being added to it.
double room_for_bias(int64_t products) {
  constexpr int64_t kLeast = int64_t{1} << 24;
  return static_cast<double>(std::max(INT32_MAX - products * 255 * 128, kLeast));
}

// The number of channels whose weight scale was raised.
int64_t raise_scales(const Tensor& bias, double input_scale, int64_t products, QParams& weight) {
  constexpr double kRounding = 1 + 0x1p-20;  // of the scales to binary32, and of their product
  const double step = input_scale * room_for_bias(products);
  int64_t raised = 0;
  for (int64_t c = 0; c < elements(bias.type.shape); ++c) {
    double& scale = weight.scales[static_cast<size_t>(c) % weight.scales.size()];
    const double needed = std::abs(static_cast<double>(bias.as<float>()[c])) / step * kRounding;
    if (!(needed > scale) || !std::isfinite(needed)) continue;
    scale = static_cast<float>(needed);
    ++raised;
  }
  return raised;
}

}  // namespace

void give_room_to_biases(Graph& graph, Changes& changes) {
  const auto value = [&](ValueId id) -> Value& { return graph.values[static_cast<size_t>(id)]; };
  for (const Node& node : graph.nodes) {
    const OpDef& op = *find_op(node.op);
    if (op.bias == kNone || op.weight == kNone || !node.float_reason.empty() ||
        std::ssize(node.inputs) <= op.bias)
      continue;
    const Value &input = value(node.inputs[0]), &bias = value(node.inputs[static_cast<size_t>(op.bias)]);
    Value& weight = value(node.inputs[static_cast<size_t>(op.weight)]);
    if (!input.type.qparams || !weight.type.qparams || !bias.constant) continue;
    const int64_t products = elements(weight.type.shape) / weight.type.shape[op.weight_axis];
    const int64_t raised =
        raise_scales(bias.constant(), input.type.qparams->scales[0], products, *weight.type.qparams);
    if (raised > 0)
      changes.push_back({"raised weight scale", node.name,
                         text(raised, " channels of ", weight.name, ", whose bias would not fit in int32")});
  }
}

}  // namespace q
