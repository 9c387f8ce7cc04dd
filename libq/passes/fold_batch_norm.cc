// conv + batch_norm and linear + batch_norm become one weighted node: W' = W * gamma * r, b' = (b - mean) *
// gamma * r + beta with r = 1 / sqrt(var + epsilon), per output channel (torch.nn.utils.fusion). Evaluated in
// binary64, rounded once.
#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 15;  // weights whose work outweighs starting a thread

struct BatchNorm {
  Constant scale, bias, mean, variance;
  double epsilon;
};

// gamma * r of every channel.
std::vector<double> gains(const BatchNorm& norm) {
  const Tensor scale = norm.scale(), variance = norm.variance();
  std::vector<double> out(static_cast<size_t>(elements(scale.type.shape)));
  for (size_t c = 0; c < out.size(); ++c)
    out[c] = scale.as<float>()[c] / std::sqrt(static_cast<double>(variance.as<float>()[c]) + norm.epsilon);
  return out;
}

// The weight's channels lie along `axis`. A transposed convolution has them once for every group, the groups
// one behind the other along the axis before.
Tensor folded_weight(const Constant& weight, const BatchNorm& norm, int axis) {
  const Tensor old = weight();
  Tensor out = make_tensor(old.type);
  const std::vector<double> gain = gains(norm);
  const Shape& shape = old.type.shape;
  const int64_t columns = shape[axis], rows = axis == 0 ? 1 : shape[0];
  const int64_t inner = elements(shape) / (rows * columns);
  const int64_t group_rows = rows * columns / static_cast<int64_t>(gain.size());
  const int64_t grain = kGrain / std::max<int64_t>(1, inner) + 1;
  const float* from = old.as<float>();
  float* to = out.as<float>();
  parallel_blocks(rows * columns, grain, [&](int64_t first, int64_t end) {
    for (int64_t line = first; line < end; ++line) {
      const double g = gain[static_cast<size_t>(line / columns / group_rows * columns + line % columns)];
      for (int64_t i = line * inner; i < (line + 1) * inner; ++i) to[i] = static_cast<float>(from[i] * g);
    }
  });
  return out;
}

Tensor folded_bias(const Constant& bias, const BatchNorm& norm) {
  const Tensor mean = norm.mean(), beta = norm.bias();
  const Tensor old = bias ? bias() : Tensor{};
  const std::vector<double> gain = gains(norm);
  Tensor out = make_tensor(mean.type);
  for (size_t c = 0; c < gain.size(); ++c) {
    const double before = bias ? old.as<float>()[c] : 0.0;
    out.as<float>()[c] = static_cast<float>((before - mean.as<float>()[c]) * gain[c] + beta.as<float>()[c]);
  }
  return out;
}

// True when what the weighted node makes has its channels where the normalization has its own, on axis 1, and
// nothing in between or unknown.
bool foldable(Rewriter& rewriter, NodeId weighted) {
  constexpr int kNormAxis = 1;
  const OpDef& op = *find_op(rewriter.node(weighted).op);
  if (op.weight == kNone || op.bias == kNone || has_clamp(rewriter.node(weighted))) return false;
  const int rank = rewriter.value(rewriter.node(weighted).outputs[0]).type.shape.rank;
  if (normalize_axis(op.channel_axis, rank, "channel_axis") != kNormAxis) return false;
  const std::vector<ValueId>& inputs = rewriter.node(weighted).inputs;
  for (size_t i = 1; i < inputs.size(); ++i)
    if (!rewriter.is_constant(inputs[i])) return false;
  return rewriter.value(inputs[static_cast<size_t>(op.weight)]).type.dtype == DType::kF32;
}

bool has_constant_parameters(const Rewriter& rewriter, const Node& norm) {
  return std::all_of(norm.inputs.begin() + 1, norm.inputs.end(),
                     [&](ValueId id) { return rewriter.is_constant(id); });
}

void fold(Rewriter& rewriter, NodeId weighted, NodeId norm_id) {
  const OpDef& op = *find_op(rewriter.node(weighted).op);
  const Node norm_node = rewriter.node(norm_id);
  const auto parameter = [&](size_t index) { return rewriter.value(norm_node.inputs[index]).constant; };
  const BatchNorm norm{parameter(1), parameter(2), parameter(3), parameter(4),
                       attr_float(complete_attrs(*find_op("batch_norm"), norm_node.attrs), "epsilon")};

  const std::vector<ValueId> inputs = rewriter.node(weighted).inputs;
  const size_t weight_index = static_cast<size_t>(op.weight), bias_index = static_cast<size_t>(op.bias);
  const Value weight = rewriter.value(inputs[weight_index]);
  const bool has_bias = inputs.size() > bias_index;
  const Constant bias = has_bias ? rewriter.value(inputs[bias_index]).constant : Constant{};
  const TensorType bias_type = rewriter.value(norm_node.inputs[3]).type;
  const Constant new_bias = [=] { return folded_bias(bias, norm); };
  rewriter.replace_constant(
      weighted, weight_index, weight.type,
      [=, old = weight.constant, axis = op.weight_axis] { return folded_weight(old, norm, axis); });
  if (has_bias)
    rewriter.replace_constant(weighted, bias_index, bias_type, new_bias);
  else
    rewriter.append_constant(weighted, rewriter.node(weighted).name + ".bias", bias_type, new_bias);
  rewriter.absorb(weighted, norm_id);
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& norm = rewriter.node(id);
    if (norm.op != "batch_norm" || has_clamp(norm)) continue;
    const NodeId weighted = rewriter.sole_producer(norm.inputs[0]);
    if (weighted == kNone || !has_constant_parameters(rewriter, norm) || !foldable(rewriter, weighted))
      continue;
    const std::string name = rewriter.node(weighted).name;
    changes.push_back({rewriter.node(weighted).op + "+batch_norm", name, text("absorbed ", norm.name)});
    fold(rewriter, weighted, id);
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fold_batch_norm;
constinit const PassDef pass_fold_batch_norm = {"fold_batch_norm",
                                                "fold batch normalization into the weights before it", apply};

}  // namespace q
