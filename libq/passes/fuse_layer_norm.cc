// A normalization written out is layer_norm, or rms_norm where no mean is taken away:
//   d / sqrt(mean(d * d) + epsilon) * weight + bias, d = x - mean(x), all means over the last axis
#include <optional>
#include <utility>

#include "base/text.h"
#include "passes/shared/pattern.h"

namespace q {

namespace {

// x of its mean over the last axis, which stays as an extent of 1. Of rank 3 that may be a pool, whose one
// spatial axis it is.
std::optional<ValueId> mean_of(Rewriter& rewriter, ValueId id) {
  if (const NodeId pool = maker_of(rewriter, id, "adaptive_avg_pool"); pool != kNone) {
    const Shape& out = rewriter.value(id).type.shape;
    return out.rank == 3 && out[2] == 1 ? std::optional(rewriter.node(pool).inputs[0]) : std::nullopt;
  }
  const NodeId mean = maker_of(rewriter, id, "mean");
  if (mean == kNone) return std::nullopt;
  const Attrs attrs = complete_attrs(*find_op("mean"), rewriter.node(mean).attrs);
  const ValueId x = rewriter.node(mean).inputs[0];
  const Ints& axes = attr_ints(attrs, "axes");
  const int64_t last = rewriter.value(x).type.shape.rank - 1;
  const bool is_last = axes.size() == 1 && (axes[0] == -1 || axes[0] == last);
  return is_last && attr_int(attrs, "keepdims") == 1 ? std::optional(x) : std::nullopt;
}

// x of x - mean(x).
std::optional<ValueId> centred(Rewriter& rewriter, ValueId id) {
  const NodeId difference = maker_of(rewriter, id, "sub");
  if (difference == kNone) return std::nullopt;
  const std::vector<ValueId> inputs = rewriter.node(difference).inputs;
  return mean_of(rewriter, inputs[1]) == inputs[0] ? std::optional(inputs[0]) : std::nullopt;
}

struct Norm {
  ValueId x;
  double epsilon;
  bool takes_mean;
};

// d and the sum under the root, of d / sqrt(sum) in its forms.
struct Quotient {
  ValueId numerator, under_root;
};

std::optional<Quotient> quotient_of(Rewriter& rewriter, const Node& node) {
  if (has_clamp(node)) return std::nullopt;
  if (node.op == "div") {
    const NodeId root = maker_of(rewriter, node.inputs[1], "sqrt");
    if (root == kNone) return std::nullopt;
    return Quotient{node.inputs[0], rewriter.node(root).inputs[0]};
  }
  if (node.op != "mul") return std::nullopt;
  for (size_t i : {size_t{0}, size_t{1}})
    if (const NodeId root = maker_of(rewriter, node.inputs[i], "rsqrt"); root != kNone)
      return Quotient{node.inputs[1 - i], rewriter.node(root).inputs[0]};
  return std::nullopt;
}

std::optional<Norm> recognised(Rewriter& rewriter, const Node& node) {
  const std::optional<Quotient> quotient = quotient_of(rewriter, node);
  if (!quotient) return std::nullopt;
  const auto sum = with_number(rewriter, quotient->under_root, "add");
  if (!sum) return std::nullopt;
  const auto squares = mean_of(rewriter, sum->other);
  const auto d = squares ? power(rewriter, *squares, 2) : std::nullopt;
  if (!d) return std::nullopt;
  // some exporters write the difference twice
  const auto x = centred(rewriter, quotient->numerator), twice = centred(rewriter, *d);
  if (x && twice && *x == *twice) return Norm{*x, sum->number, true};
  if (*d == quotient->numerator) return Norm{*d, sum->number, false};
  return std::nullopt;
}

// The node that alone reads the output of `id` and combines it with a constant of the last axis; kNone when
// there is none.
NodeId with_parameter(Rewriter& rewriter, NodeId id, std::string_view op, ValueId* parameter) {
  const ValueId output = rewriter.node(id).outputs[0];
  const NodeId reader = rewriter.sole_reader(output);
  if (reader == kNone || rewriter.node(reader).op != op || has_clamp(rewriter.node(reader))) return kNone;
  const std::vector<ValueId>& inputs = rewriter.node(reader).inputs;
  const ValueId other = inputs[inputs[0] == output ? 1 : 0];
  if (!rewriter.is_constant(other)) return kNone;
  const TensorType& type = rewriter.value(other).type;
  const Shape& shape = rewriter.value(output).type.shape;
  const int64_t last = shape[shape.rank - 1];
  const bool fits = type.dtype == DType::kF32 && type.shape.rank > 0 && type.shape.rank <= shape.rank &&
                    type.shape[type.shape.rank - 1] == last && elements(type.shape) == last;
  if (!fits) return kNone;
  *parameter = other;
  return reader;
}

// The constant as a vector.
ValueId as_vector(Rewriter& rewriter, ValueId id) {
  const Value constant = rewriter.value(id);
  if (constant.type.shape.rank == 1) return id;
  const TensorType type{DType::kF32, {elements(constant.type.shape)}, std::nullopt};
  return rewriter.add_constant(constant.name, type, [type, from = constant.constant] {
    Tensor out = from();
    out.type = type;
    return out;
  });
}

void fuse(Rewriter& rewriter, NodeId id, const Norm& norm, Changes& changes) {
  const std::string op = norm.takes_mean ? "layer_norm" : "rms_norm";
  std::vector<ValueId> inputs = {norm.x};
  std::vector<NodeId> after;
  ValueId parameter = kNone;
  if (const NodeId weighted = with_parameter(rewriter, id, "mul", &parameter); weighted != kNone) {
    inputs.push_back(as_vector(rewriter, parameter));
    after.push_back(weighted);
    const NodeId biased = norm.takes_mean ? with_parameter(rewriter, weighted, "add", &parameter) : kNone;
    if (biased != kNone) {
      inputs.push_back(as_vector(rewriter, parameter));
      after.push_back(biased);
    }
  }
  changes.push_back({op, rewriter.node(id).name, text("became ", op)});
  for (NodeId next : after) rewriter.absorb(id, next);
  rewriter.become(id, op, {{"epsilon", norm.epsilon}}, std::move(inputs));
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    if (rewriter.removed(id)) continue;
    const std::optional<Norm> norm = recognised(rewriter, rewriter.node(id));
    if (norm && has_shape_of(rewriter, id, norm->x)) fuse(rewriter, id, *norm, changes);
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_layer_norm;
constinit const PassDef pass_fuse_layer_norm = {"fuse_layer_norm",
                                                "recognise layer_norm and rms_norm written out", apply};

}  // namespace q
