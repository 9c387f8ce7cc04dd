#include "causes.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "base/text.h"
#include "q/op.h"
#include "q/quant.h"
#include "real_names.h"
#include "report.h"

namespace q {

namespace {

const Value& value_of(const Graph& graph, ValueId id) { return graph.values[static_cast<size_t>(id)]; }

// The reals of a tensor and what rounding them to its integers costs.
struct Spread {
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  int64_t clipped = 0;
  double clipped_squares = 0;  // of the errors of those outside the range
  Difference rounding;

  void add(View reals, const QParams& qparams) {
    const float scale = static_cast<float>(qparams.scales[0]);
    const int32_t zero = qparams.zero_points[0];
    const int64_t count = elements(reals.shape);
    std::vector<float> rounded(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const float x = reals.as<float>()[i];
      const int32_t level = quantize_value(x, scale, zero, qparams.quant_min, qparams.quant_max);
      const float y = dequantize_value(level, scale, zero);
      rounded[static_cast<size_t>(i)] = y;
      lo = std::min<double>(lo, x);
      hi = std::max<double>(hi, x);
      const double error = static_cast<double>(x) - y;
      if (std::abs(error) <= scale) continue;  // rounding takes half a step
      ++clipped;
      clipped_squares += error * error;
    }
    rounding.add(reals.as<float>(), rounded.data(), count);
  }
};

// A part of a node: an operand or its output, on integers while all else is real.
struct Part {
  ValueId value = kNone;  // of the quantized model; kNone: the weights and bias
  std::string real;       // its name in the float model
  Difference alone;
};

struct Suspect {
  const Node* node = nullptr;
  std::vector<Part> parts;  // the output, the inputs, the weights
  ValueId whole = kNone;    // in the graph of suspects: the node on reals, with the constants as they are
  std::vector<double> weight_errors;  // squares by channel of the output
};

class CauseFinder {
 public:
  CauseFinder(const Job& job, const Graph& first, const Graph& second, int64_t batch,
              const std::vector<std::string>& nodes)
      : first_(first), second_(second), names_(second, first), producer_(producers(second)) {
    for (const Node& node : second.nodes)
      if (std::ranges::find(nodes, node.name) != nodes.end()) suspect(node);
    const ExecOptions options{.batch = batch, .isa = job.isa};
    if (suspects_.empty()) return;
    ExecOptions keep = options;
    for (const std::string& name : wanted_) keep.keep.push_back(find_value(first, name));
    runners_.emplace_back(first, job.inputs[0], keep);
    runners_.emplace_back(graph_, job.inputs[1], options);
  }

  void add(const std::vector<Tensor>& inputs, int64_t samples) {
    if (suspects_.empty()) return;
    std::map<std::string, Tensor, std::less<>> reference;
    runners_[0].run(inputs, samples, [&](ValueId id, View view) {
      if (wanted_.contains(value_of(first_, id).name)) reference[value_of(first_, id).name] = reals(view);
    });
    Tensor copies[2];
    for (auto& [id, spread] : spreads_) {
      const Value& value = value_of(second_, id);
      spread.add(as_rows(reference.at(names_.of(id)).view(), value.type.shape, samples, copies[0]),
                 *value.type.qparams);
    }
    std::vector<Tensor> operands;
    for (ValueId id : graph_.inputs) operands.push_back(reference.at(value_of(graph_, id).name));
    std::map<ValueId, Tensor> computed;
    runners_[1].run(operands, samples, [&](ValueId id, View view) { computed[id] = reals(view); });
    for (const auto& [id, place] : results_) {
      Suspect& suspect = suspects_[place.first];
      Part& part = suspect.parts[place.second];
      const Tensor& whole =
          part.value == kNone ? reference.at(suspect.parts[0].real) : computed.at(suspect.whole);
      const Shape& shape = value_of(graph_, id).type.shape;
      const View x = as_rows(whole.view(), shape, samples, copies[0]),
                 y = as_rows(computed.at(id).view(), shape, samples, copies[1]);
      part.alone.add(x.as<float>(), y.as<float>(), elements(x.shape));
      if (part.value == kNone) add_weight_errors(suspect, x, y);
    }
  }

  std::map<std::string, Cause> result() {
    std::map<std::string, Cause> out;
    for (Suspect& suspect : suspects_) {
      suspect.parts[0].alone = spreads_.at(suspect.parts[0].value).rounding;
      const auto worst =
          std::min_element(suspect.parts.begin(), suspect.parts.end(),
                           [](const Part& a, const Part& b) { return sqnr_db(a.alone) < sqnr_db(b.alone); });
      Cause cause;
      cause.alone = worst->alone;
      const bool is_output = worst == suspect.parts.begin();
      cause.part = worst->value == kNone ? "weights" : is_output ? "output" : "input " + worst->real;
      if (worst->value == kNone)
        explain_weights(suspect, cause);
      else
        explain_values(*suspect.node, worst->value, cause);
      out[suspect.node->name] = std::move(cause);
    }
    return out;
  }

 private:
  static void add_weight_errors(Suspect& suspect, const View& x, const View& y) {
    const int axis = find_op(suspect.node->op)->channel_axis < 0 ? x.shape.rank - 1 : 1;
    suspect.weight_errors.resize(static_cast<size_t>(x.shape[axis]));
    int64_t inner = 1;
    for (int i = axis + 1; i < x.shape.rank; ++i) inner *= x.shape[i];
    for (int64_t i = 0; i < elements(x.shape); ++i) {
      const double error = static_cast<double>(x.as<float>()[i]) - y.as<float>()[i];
      suspect.weight_errors[static_cast<size_t>(i / inner % x.shape[axis])] += error * error;
    }
  }

  // ---- the graph of suspects ----

  ValueId add_value_of(std::string name, TensorType type, Constant constant = {}) {
    return add_value(graph_, {std::move(name), std::move(type), std::nullopt, std::move(constant)});
  }

  // more: values of the quantized model that the node's further outputs are like.
  ValueId add_node(const std::string& op, const std::string& name, std::vector<ValueId> inputs,
                   TensorType type, Attrs attrs = {}, std::span<const ValueId> more = {}) {
    Node node;
    node.op = op;
    node.name = name;
    node.attrs = std::move(attrs);
    node.inputs = std::move(inputs);
    node.outputs = {add_value_of(name, std::move(type))};
    for (ValueId id : more)
      node.outputs.push_back(add_value_of(text(name, " output ", node.outputs.size()),
                                          {DType::kF32, value_of(second_, id).type.shape, std::nullopt}));
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().outputs[0];
  }

  ValueId real_input(const std::string& name, const Shape& shape) {
    const ValueId known = find_value(graph_, name);
    if (known != kNone) return known;
    wanted_.insert(name);
    graph_.inputs.push_back(add_value_of(name, {DType::kF32, shape, std::nullopt}));
    return graph_.inputs.back();
  }

  // A constant of the quantized model as the reals it stands for.
  ValueId real_constant(const Value& constant) {
    const std::string name = "constant " + constant.name;
    const ValueId known = find_value(graph_, name);
    if (known != kNone) return known;
    Tensor tensor = constant.constant();
    if (constant.type.qparams && constant.type.dtype != DType::kF32) tensor = dequantize(tensor.view());
    const TensorType type = tensor.type;
    return add_value_of(name, type, constant_of(std::move(tensor)));
  }

  // Also what a pad gets of which this is the output.
  void observe(ValueId id) {
    wanted_.insert(names_.of(id));
    spreads_[id];
    if (const Node* pad = padder(id); pad != nullptr && pad->inputs[0] != id && has_reals(pad->inputs[0]))
      observe(pad->inputs[0]);
  }

  bool has_reals(ValueId id) const {
    const TensorType& type = value_of(second_, id).type;
    return type.qparams && type.dtype != DType::kF32 && !names_.of(id).empty();
  }

  bool is_explainable(const Node& node) const {
    const OpDef& op = *find_op(node.op);
    const auto is_known = [&](ValueId id) { return value_of(second_, id).constant || has_reals(id); };
    return (op.f32 != nullptr || op.unary != nullptr) && has_reals(node.outputs[0]) &&
           std::ranges::all_of(node.inputs, is_known);
  }

  void suspect(const Node& node) {
    if (!is_explainable(node)) return;
    const TensorType type = {DType::kF32, value_of(second_, node.outputs[0]).type.shape, std::nullopt};
    Suspect out{&node, {{node.outputs[0], names_.of(node.outputs[0]), {}}}, kNone};
    observe(node.outputs[0]);
    std::vector<ValueId> operands;
    for (ValueId id : node.inputs) {
      const Value& value = value_of(second_, id);
      operands.push_back(value.constant ? real_constant(value) : real_input(names_.of(id), value.type.shape));
    }
    const std::span<const ValueId> more = std::span(node.outputs).subspan(1);
    out.whole = add_node(node.op, node.name + " on reals", operands, type, node.attrs, more);
    graph_.outputs.push_back(out.whole);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& value = value_of(second_, node.inputs[i]);
      if (value.constant) continue;
      observe(node.inputs[i]);
      const std::string name = text(node.name, " input ", i);
      const ValueId integers = add_node("quantize", name + " integers", {operands[i]}, value.type);
      std::vector<ValueId> rounded = operands;
      rounded[i] = add_node("dequantize", name + " rounded", {integers},
                            {DType::kF32, value.type.shape, std::nullopt});
      add_part(out, {node.inputs[i], names_.of(node.inputs[i]), {}},
               add_node(node.op, name, rounded, type, node.attrs, more));
    }
    if (find_op(node.op)->weight != kNone) add_part(out, {}, out.whole);
    suspects_.push_back(std::move(out));
  }

  void add_part(Suspect& suspect, Part part, ValueId result) {
    results_.emplace_back(result, std::pair(suspects_.size(), suspect.parts.size()));
    if (result != suspect.whole) graph_.outputs.push_back(result);
    suspect.parts.push_back(std::move(part));
  }

  // ---- reasons ----

  static std::string rounded(double x) {
    char out[32];
    std::snprintf(out, sizeof out, "%.4g", x);
    return out;
  }

  static std::string rule(const std::string& node, const std::string& fields) {
    return text("{name: ", yaml_quoted(node), ", ", fields, "}");
  }

  // From the node that computes the value to the one whose rule decides how it is quantized: what hands its
  // input's parameters on follows that input, and a value that is float before is decided by its reader.
  std::vector<const Node*> deciders(ValueId id, const Node& reader) const {
    const NodeId producer = producer_[static_cast<size_t>(id)];
    if (producer == kNone || second_.nodes[static_cast<size_t>(producer)].op == "quantize") return {&reader};
    const Node& node = second_.nodes[static_cast<size_t>(producer)];
    const QRule rule = find_op(node.op)->qrule;
    std::vector<const Node*> out = {&node};
    const auto& qparams = [&](ValueId of) { return value_of(second_, of).type.qparams; };
    if ((rule != QRule::kAsInput && rule != QRule::kShared) || qparams(node.inputs[0]) != qparams(id))
      return out;
    for (const Node* each : deciders(node.inputs[0], node))
      if (each != &node) out.push_back(each);
    return out;
  }

  // Steps between the least and the greatest real, one of a value's own.
  static double steps(const Spread& spread, double scale) { return (spread.hi - spread.lo) / scale; }

  // A cat that made the value share the scale of its output, though it needs less than half of that.
  const Node* sharer(ValueId id, const Spread& spread) const {
    const QParams& own = *value_of(second_, id).type.qparams;
    const double reach = own.scales[0] * (own.quant_max - own.quant_min);
    if (2 * (std::max(spread.hi, 0.) - std::min(spread.lo, 0.)) > reach) return nullptr;
    for (const Node& node : second_.nodes)
      if (find_op(node.op)->qrule == QRule::kShared &&
          std::ranges::find(node.inputs, id) != node.inputs.end() &&
          value_of(second_, node.outputs[0]).type.qparams == own)
        return &node;
    return nullptr;
  }

  static std::optional<float> border_of(const Node& node) {
    const OpDef& op = *find_op(node.op);
    return op.border == nullptr ? std::nullopt : op.border(complete_attrs(op, node.attrs));
  }

  // The pad that computes the value, or takes it with the same parameters, and puts a number of its own
  // around.
  const Node* padder(ValueId id) const {
    const auto qparams = [&](ValueId of) { return value_of(second_, of).type.qparams; };
    for (const Node& node : second_.nodes)
      if ((node.outputs[0] == id || (node.inputs[0] == id && qparams(id) == qparams(node.outputs[0]))) &&
          border_of(node))
        return &node;
    return nullptr;
  }

  // The same, if the number makes the range more than four times as wide.
  const Node* widening_pad(ValueId id) const {
    const Node* pad = padder(id);
    if (pad == nullptr || !spreads_.contains(pad->inputs[0])) return nullptr;
    const Spread& inner = spreads_.at(pad->inputs[0]);
    const double border = *border_of(*pad);
    return std::max(inner.hi, border) - std::min(inner.lo, border) > 4 * (inner.hi - inner.lo) ? pad
                                                                                               : nullptr;
  }

  void explain_values(const Node& node, ValueId id, Cause& cause) const {
    const Spread& spread = spreads_.at(id);
    const QParams& q = *value_of(second_, id).type.qparams;
    const double scale = q.scales[0], lo = scale * (q.quant_min - q.zero_points[0]),
                 hi = scale * (q.quant_max - q.zero_points[0]);
    const std::string range = text(rounded(lo), " to ", rounded(hi)),
                      values = text(rounded(spread.lo), " to ", rounded(spread.hi));
    const std::vector<const Node*> nodes = deciders(id, node);
    if (spread.clipped_squares > spread.rounding.error_squares / 2) {
      const double share =
          100 * static_cast<double>(spread.clipped) / static_cast<double>(spread.rounding.count);
      cause.reason =
          text("clipped: ", fixed(share, 3), " % of the values, ", values, ", lie outside ", range);
      for (const Node* each : nodes)
        if (find_op(each->op)->qrule != QRule::kAsInput || each == nodes.back())
          cause.rules.push_back(rule(each->name, "activations: {method: minmax}"));
    } else if (const Node* cat = sharer(id, spread)) {
      cause.reason = text("shared range: ", range, " of ", cat->name, " for values from ", values);
      cause.rules = {rule(cat->name, "activations: {concat: requantize}")};
    } else if (const Node* pad = widening_pad(id)) {
      cause.reason = text("pad value: the range ", range, " holds the border of ", number(*border_of(*pad)));
      cause.rules = {rule(pad->name, "quantize: false")};
      for (const Node& reader : second_.nodes)
        if (std::ranges::find(reader.inputs, pad->outputs[0]) != reader.inputs.end())
          cause.rules.push_back(rule(reader.name, "quantize: false"));
    } else if (steps(spread, scale) < 16) {
      cause.reason = text("range far from zero: ", values, " takes ", std::lround(steps(spread, scale)),
                          " of ", q.quant_max - q.quant_min, " steps");
      keep_float(node, nodes, cause);
    } else {
      const double square = spread.rounding.reference_squares / static_cast<double>(spread.rounding.count);
      cause.reason = text("rounding: steps of ", rounded(scale), " for values of root mean square ",
                          rounded(std::sqrt(square)));
      keep_float(node, nodes, cause);
    }
  }

  static void keep_float(const Node& node, const std::vector<const Node*>& others, Cause& cause) {
    cause.rules = {rule(node.name, "quantize: false")};
    for (const Node* each : others)
      if (each != &node) cause.rules.push_back(rule(each->name, "quantize: false"));
  }

  // Bias entries at the ends of int32.
  static int64_t saturated(const Tensor& bias) {
    if (bias.type.dtype != DType::kI32) return 0;
    const int32_t* q = bias.as<int32_t>();
    return std::count_if(q, q + elements(bias.type.shape), [](int32_t x) {
      return x == std::numeric_limits<int32_t>::max() || x == std::numeric_limits<int32_t>::min();
    });
  }

  // The greatest magnitude of each output channel, in integers.
  static std::vector<int> greatest(const Tensor& weight, int axis) {
    const Shape& shape = weight.type.shape;
    std::vector<int> out(static_cast<size_t>(shape[axis]));
    int64_t inner = 1;
    for (int i = axis + 1; i < shape.rank; ++i) inner *= shape[i];
    for (int64_t i = 0; i < elements(shape); ++i) {
      int& most = out[static_cast<size_t>(i / inner % shape[axis])];
      most = std::max(most, std::abs(int{weight.as<int8_t>()[i]}));
    }
    return out;
  }

  void explain_weights(const Suspect& suspect, Cause& cause) const {
    const Node& node = *suspect.node;
    const OpDef& op = *find_op(node.op);
    const Value& weight = value_of(second_, node.inputs[static_cast<size_t>(op.weight)]);
    cause.reason = "rounding of the weights";
    cause.rules = {rule(node.name, "quantize: false")};
    if (op.bias != kNone && std::ssize(node.inputs) > op.bias) {
      const Value& bias = value_of(second_, node.inputs[static_cast<size_t>(op.bias)]);
      const int64_t channels = bias.constant ? saturated(bias.constant()) : 0;
      if (channels > 0) {
        cause.reason = text("saturated bias: of ", channels, " channels, which does not fit in int32");
        return;
      }
    }
    if (!weight.constant || weight.type.dtype != DType::kI8 || !weight.type.qparams) return;

    const std::vector<int> most = greatest(weight.constant(), op.weight_axis);
    if (most.size() != suspect.weight_errors.size()) return;
    constexpr int kFewSteps = 8;
    int64_t coarse = 0, dead = 0;
    double all_errors = 0, coarse_errors = 0;
    for (size_t c = 0; c < most.size(); ++c) {
      all_errors += suspect.weight_errors[c];
      if (most[c] >= kFewSteps) continue;
      ++coarse;
      dead += most[c] == 0;
      coarse_errors += suspect.weight_errors[c];
    }
    if (coarse_errors <= all_errors / 2) return;
    const std::string share = text(" of ", most.size(), " channels have ");
    if (weight.type.qparams->scales.size() == 1 && coarse < std::ssize(most)) {
      cause.reason = text("one weight scale: ", coarse, share, "less than ", kFewSteps, " steps of it");
      cause.rules = {
          rule(node.name,
               "weights: {scheme: per_channel_symmetric, observer: per_channel_minmax, method: minmax}")};
    } else if (dead > 0) {
      cause.reason = text("dead channels: ", dead, share, "no weights but 0");
    } else {
      cause.reason = text("coarse weights: ", coarse, share, "less than ", kFewSteps, " steps");
    }
  }

  const Graph &first_, &second_;
  RealNames names_;
  std::vector<NodeId> producer_;
  Graph graph_;
  std::set<std::string> wanted_;       // values of the first model
  std::map<ValueId, Spread> spreads_;  // by the value of the second
  std::vector<Suspect> suspects_;
  std::vector<std::pair<ValueId, std::pair<size_t, size_t>>> results_;  // and the suspect's part they are of
  std::vector<BatchRunner> runners_;
};

}  // namespace

std::map<std::string, Cause> find_causes(Job& job, const Graph& first, const Graph& second, Samples& samples,
                                         const std::vector<std::string>& nodes) {
  CauseFinder finder(job, first, second, samples.batch, nodes);
  for_each_batch(job, "explaining", samples, [&](int64_t, int64_t count, const std::vector<Tensor>& inputs) {
    finder.add(inputs, count);
  });
  return finder.result();
}

}  // namespace q
