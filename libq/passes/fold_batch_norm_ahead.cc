// Batch normalization before a convolution or linear node goes into the weights behind it:
//   weight' = weight * gain[c],  bias' = bias + sum of weight * shift[c]
// where gain = scale / sqrt(variance + epsilon) and shift = bias - mean * gain of input channel c. What pads
// the image is 0 before and behind the normalization only if its shift is 0.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

struct Affine {
  std::vector<double> gain, shift;  // per channel
};

Affine affine_of(const std::vector<Constant>& parameters, double epsilon) {
  const Tensor scale = parameters[0](), bias = parameters[1](), mean = parameters[2](),
               variance = parameters[3]();
  Affine out;
  for (int64_t c = 0; c < elements(scale.type.shape); ++c) {
    const double gain =
        scale.as<float>()[c] / std::sqrt(static_cast<double>(variance.as<float>()[c]) + epsilon);
    out.gain.push_back(gain);
    out.shift.push_back(bias.as<float>()[c] - mean.as<float>()[c] * gain);
  }
  return out;
}

// The input channel of every weight [channels out, channels in of a group, taps...].
struct Channels {
  int64_t outputs, per_group, taps, outputs_per_group;

  int64_t of(int64_t output, int64_t input) const { return output / outputs_per_group * per_group + input; }
};

Channels channels_of(const Shape& weight, int64_t groups) {
  const int64_t taps = elements(weight) / weight[0] / weight[1];
  return {weight[0], weight[1], taps, std::max<int64_t>(1, weight[0] / groups)};
}

template <typename Act>
void for_each_weight(const Channels& channels, const Act& act) {
  int64_t index = 0;
  for (int64_t o = 0; o < channels.outputs; ++o)
    for (int64_t i = 0; i < channels.per_group; ++i)
      for (int64_t t = 0; t < channels.taps; ++t) act(index++, o, static_cast<size_t>(channels.of(o, i)));
}

Tensor scaled_weight(const Tensor& weight, const Channels& channels, const Affine& affine) {
  Tensor out = make_tensor(weight.type);
  for_each_weight(channels, [&](int64_t i, int64_t, size_t c) {
    out.as<float>()[i] = static_cast<float>(weight.as<float>()[i] * affine.gain[c]);
  });
  return out;
}

Tensor shifted_bias(const Constant& bias, const Tensor& weight, const Channels& channels,
                    const Affine& affine) {
  std::vector<double> sums(static_cast<size_t>(channels.outputs), 0.0);
  if (bias) {
    const Tensor before = bias();
    for (size_t o = 0; o < sums.size(); ++o) sums[o] = static_cast<double>(before.as<float>()[o]);
  }
  for_each_weight(channels, [&](int64_t i, int64_t o, size_t c) {
    sums[static_cast<size_t>(o)] += weight.as<float>()[i] * affine.shift[c];
  });
  return make_tensor({channels.outputs}, std::vector<float>(sums.begin(), sums.end()));
}

bool pads(const Node& node) {
  const auto found = node.attrs.find("pads");
  if (found == node.attrs.end()) return false;
  return std::ranges::any_of(std::get<Ints>(found->second), [](int64_t pad) { return pad != 0; });
}

// The weighted node that alone reads the normalization and takes its channels along axis 1; kNone when there
// is none.
NodeId weighted_reader(Rewriter& rewriter, const Node& norm) {
  const NodeId reader = rewriter.sole_reader(norm.outputs[0]);
  if (reader == kNone) return kNone;
  const Node& node = rewriter.node(reader);
  const OpDef& op = *find_op(node.op);
  if (op.weight == kNone || op.weights != 1 || op.weight_axis != 0 || op.bias == kNone || op.indices != kNone)
    return kNone;
  if (node.inputs[0] != norm.outputs[0]) return kNone;
  for (size_t i = 1; i < node.inputs.size(); ++i)
    if (!rewriter.is_constant(node.inputs[i]) || rewriter.value(node.inputs[i]).type.dtype != DType::kF32)
      return kNone;
  const Shape& input = rewriter.value(norm.outputs[0]).type.shape;
  const bool is_last = normalize_axis(op.channel_axis, input.rank, "channel_axis") == input.rank - 1;
  return !is_last || input.rank == 2 ? reader : kNone;
}

bool fold(Rewriter& rewriter, NodeId norm_id) {
  const Node norm = rewriter.node(norm_id);
  const NodeId id = weighted_reader(rewriter, norm);
  if (id == kNone) return false;
  std::vector<Constant> parameters;
  for (size_t i = 1; i < norm.inputs.size(); ++i) {
    if (!rewriter.is_constant(norm.inputs[i])) return false;
    parameters.push_back(rewriter.value(norm.inputs[i]).constant);
  }
  const Affine affine =
      affine_of(parameters, attr_float(complete_attrs(*find_op("batch_norm"), norm.attrs), "epsilon"));
  const auto is_zero = [](double shift) { return shift == 0; };
  if (pads(rewriter.node(id)) && !std::ranges::all_of(affine.shift, is_zero)) return false;

  const OpDef& op = *find_op(rewriter.node(id).op);
  const std::vector<ValueId> inputs = rewriter.node(id).inputs;
  const size_t bias_index = static_cast<size_t>(op.bias);
  const Value weight = rewriter.value(inputs[static_cast<size_t>(op.weight)]);
  const Attrs attrs = complete_attrs(op, rewriter.node(id).attrs);
  const Channels channels =
      channels_of(weight.type.shape, attrs.contains("group") ? attr_int(attrs, "group") : 1);
  const Constant bias = inputs.size() > bias_index ? rewriter.value(inputs[bias_index]).constant : Constant{};
  const TensorType bias_type{DType::kF32, {channels.outputs}, std::nullopt};
  const Constant new_bias = [=, old = weight.constant] {
    return shifted_bias(bias, old(), channels, affine);
  };
  rewriter.replace_constant(id, static_cast<size_t>(op.weight), weight.type,
                            [=, old = weight.constant] { return scaled_weight(old(), channels, affine); });
  if (bias)
    rewriter.replace_constant(id, bias_index, bias_type, new_bias);
  else
    rewriter.append_constant(id, rewriter.node(id).name + ".bias", bias_type, new_bias);
  rewriter.bypass(norm_id, 0);
  return true;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& norm = rewriter.node(id);
    if (norm.op != "batch_norm" || has_clamp(norm)) continue;
    const std::string name = norm.name;
    const NodeId reader = rewriter.sole_reader(norm.outputs[0]);
    if (fold(rewriter, id))
      changes.push_back(
          {"batch_norm+" + rewriter.node(reader).op, rewriter.node(reader).name, text("absorbed ", name)});
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fold_batch_norm_ahead;
constinit const PassDef pass_fold_batch_norm_ahead = {
    "fold_batch_norm_ahead", "fold batch normalization into the weights behind it", apply};

}  // namespace q
