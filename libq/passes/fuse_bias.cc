// conv + add, linear + add and matmul + add of one constant number per output channel: the constant becomes
// the bias.
#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

// True when a constant of this shape adds one number to each channel of an output of rank `rank`, channels
// along `axis`.
bool is_per_channel_constant(const Shape& shape, int rank, int axis, int64_t channels) {
  if (shape.rank > rank) return false;
  for (int i = 0; i < shape.rank; ++i) {
    const int aligned = i + rank - shape.rank;
    if (shape[i] != (aligned == axis ? channels : 1)) return false;
  }
  return shape.rank > rank - 1 - axis;
}

Tensor summed(const Constant& bias, const Constant& added, int64_t channels) {
  const Tensor extra = added();
  Tensor out = make_tensor(DType::kF32, Shape{channels});
  for (int64_t c = 0; c < channels; ++c) out.as<float>()[c] = extra.as<float>()[c];
  if (!bias) return out;
  const Tensor before = bias();
  for (int64_t c = 0; c < channels; ++c) out.as<float>()[c] += before.as<float>()[c];
  return out;
}

// True when the node may have such a bias: its channels need not be the last axis of its output where that
// has fewer axes than usual.
bool takes_bias(Rewriter& rewriter, const Node& node, const TensorType& bias) {
  const OpDef& op = *find_op(node.op);
  std::vector<TensorType> in;
  for (ValueId id : node.inputs) in.push_back(rewriter.value(id).type);
  in.resize(static_cast<size_t>(op.bias));
  in.push_back(bias);
  try {
    op.infer(complete_attrs(op, node.attrs), in);
  } catch (const Error&) {
    return false;
  }
  return true;
}

bool fuse(Rewriter& rewriter, NodeId add_id, size_t constant_index) {
  const Node add = rewriter.node(add_id);
  const ValueId constant = add.inputs[constant_index], summand = add.inputs[1 - constant_index];
  const NodeId weighted = rewriter.sole_producer(summand);
  if (weighted == kNone || !rewriter.is_constant(constant)) return false;
  Node& node = rewriter.node(weighted);
  const OpDef& op = *find_op(node.op);
  if (op.bias == kNone || has_clamp(node)) return false;
  const Shape& out = rewriter.value(node.outputs[0]).type.shape;
  if (out.rank == 0) return false;
  const int axis = normalize_axis(op.channel_axis, out.rank, "channel_axis");
  const Value& value = rewriter.value(constant);
  if (value.type.dtype != DType::kF32 ||
      !is_per_channel_constant(value.type.shape, out.rank, axis, out[axis]))
    return false;

  const size_t bias_index = static_cast<size_t>(op.bias);
  Constant bias;
  if (node.inputs.size() > bias_index) {
    if (!rewriter.is_constant(node.inputs[bias_index])) return false;
    bias = rewriter.value(node.inputs[bias_index]).constant;
  }
  const int64_t channels = out[axis];
  const TensorType type{DType::kF32, Shape{channels}, std::nullopt};
  if (!takes_bias(rewriter, node, type)) return false;
  const Constant fused = [bias, added = value.constant, channels] { return summed(bias, added, channels); };
  if (bias)
    rewriter.replace_constant(weighted, bias_index, type, fused);
  else
    rewriter.append_constant(weighted, rewriter.node(weighted).name + ".bias", type, fused);
  for (const char* limit : {"min", "max"})
    if (add.attrs.contains(limit)) rewriter.node(weighted).attrs[limit] = add.attrs.at(limit);
  rewriter.absorb(weighted, add_id);
  return true;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& add = rewriter.node(id);
    if (add.op != "add") continue;
    const std::string name = add.name;
    for (size_t index : {size_t{1}, size_t{0}}) {
      if (!fuse(rewriter, id, index)) continue;
      changes.push_back({"bias", name, "became the bias of the node before it"});
      break;
    }
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_bias;
constinit const PassDef pass_fuse_bias = {"fuse_bias",
                                          "turn the addition of a constant per channel into a bias", apply};

}  // namespace q
