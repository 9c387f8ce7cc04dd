#include "comparison.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "q/op.h"
#include "real_names.h"

namespace q {

namespace {

using Names = std::map<std::string, ValueId, std::less<>>;

// Computed values by name; constants and inputs say nothing about a model.
Names computed_values(const Graph& graph) {
  Names out;
  for (const Node& node : graph.nodes)
    for (ValueId id : node.outputs) out[graph.values[static_cast<size_t>(id)].name] = id;
  return out;
}

const Value& value_of(const Graph& graph, ValueId id) { return graph.values[static_cast<size_t>(id)]; }

// Every integer node of a quantized model between its own quantize and dequantize nodes. Inputs and outputs
// carry the names of the float model's values.
struct LocalGraph {
  Graph graph;
  std::map<ValueId, std::string> outputs;  // by id in `graph`, the real name
};

class LocalBuilder {
 public:
  LocalBuilder(const Graph& second, const Graph& first) : second_(second), names_(second, first) {}

  LocalGraph build() {
    for (const Node& node : second_.nodes)
      if (is_integer(node)) isolate(node);
    return std::move(out_);
  }

 private:
  bool is_integer(const Node& node) const {
    const OpDef& op = *find_op(node.op);
    const Value& output = value_of(second_, node.outputs[0]);
    return (op.f32 != nullptr || op.unary != nullptr) && output.type.qparams &&
           output.type.dtype != DType::kF32 && !names_.of(node.outputs[0]).empty();
  }

  ValueId add(std::string name, TensorType type) {
    return add_value(out_.graph, {std::move(name), std::move(type), std::nullopt, {}});
  }

  void add_node(std::string op, const std::string& name, std::vector<ValueId> in, std::vector<ValueId> out,
                Attrs attrs = {}) {
    Node node;
    node.op = std::move(op);
    node.name = name;
    node.attrs = std::move(attrs);
    node.inputs = std::move(in);
    node.outputs = std::move(out);
    out_.graph.nodes.push_back(std::move(node));
  }

  ValueId float_input(const std::string& real_name, const Shape& shape) {
    const ValueId known = find_value(out_.graph, real_name);
    if (known != kNone) return known;
    const ValueId id = add(real_name, {DType::kF32, shape, std::nullopt});
    out_.graph.inputs.push_back(id);
    return id;
  }

  // The operand of the isolated node that stands for `id` of the quantized model; kNone when its reals are
  // not known.
  ValueId operand(ValueId id, const std::string& place) {
    const Value& value = value_of(second_, id);
    if (value.constant) {
      const std::string name = "constant " + value.name;
      const ValueId known = find_value(out_.graph, name);
      return known != kNone ? known : add_value(out_.graph, {name, value.type, std::nullopt, value.constant});
    }
    const std::string real = names_.of(id);
    if (real.empty()) return kNone;
    if (!value.type.qparams)
      return value.type.dtype == DType::kF32 ? float_input(real, value.type.shape) : kNone;
    const ValueId from = float_input(real, value.type.shape);
    const ValueId integers = add(place, value.type);
    add_node("quantize", place, {from}, {integers});
    return integers;
  }

  void isolate(const Node& node) {
    std::vector<ValueId> in;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      in.push_back(operand(node.inputs[i], text(node.name, " operand ", i)));
      if (in.back() == kNone) return;
    }
    std::vector<ValueId> made;
    for (size_t i = 0; i < node.outputs.size(); ++i)
      made.push_back(add(text(node.name, " made ", i), value_of(second_, node.outputs[i]).type));
    add_node(node.op, text(node.name, " node"), in, made, node.attrs);
    for (size_t i = 0; i < made.size(); ++i) {
      const std::string real = names_.of(node.outputs[i]);
      const TensorType type = value_of(second_, node.outputs[i]).type;
      if (real.empty() || !type.qparams) continue;
      const std::string place = text(node.name, " result ", i);
      const ValueId out = add(place, {DType::kF32, type.shape, std::nullopt});
      add_node("dequantize", place, {made[i]}, {out});
      out_.graph.outputs.push_back(out);
      out_.outputs[out] = real;
    }
  }

  const Graph& second_;
  RealNames names_;
  LocalGraph out_;
};

// The values of one batch by name, as reals.
using Batch = std::map<std::string, Tensor, std::less<>>;

class ModelComparison {
 public:
  ModelComparison(const Job& job, const Graph& first, const Graph& second, int64_t batch, bool with_local)
      : first_(first), second_(second), names_(second, first) {
    const std::vector<ValueId> in_second = line_up();
    if (with_local) local_ = LocalBuilder(second, first).build();
    runners_.emplace_back(first, job.inputs[0],
                          ExecOptions{.batch = batch, .isa = job.isa, .keep = wanted_of_first()});
    runners_.emplace_back(second, job.inputs[1],
                          ExecOptions{.batch = batch, .isa = job.isa, .keep = in_second});
    if (!local_.outputs.empty())
      runners_.emplace_back(local_.graph, job.inputs[1], ExecOptions{.batch = batch, .isa = job.isa});
    const Value& logits = value_of(first, first.outputs[0]);
    const Shape one = rows_shape(logits.type.shape, 1);
    if (one.rank == 2 && one[0] == 1 && value_of(second, second.outputs[0]).name == logits.name) {
      logits_ = logits.name;
      out_.same_top1 = 0;
    }
  }

  // labels: empty when the data have none.
  void add(const std::vector<Tensor>& inputs, int64_t samples, const std::vector<int64_t>& labels) {
    // of the reference every value is held, of what is compared with it one at a time
    Batch reference;
    runners_[0].run(inputs, samples,
                    [&](ValueId id, View view) { reference[value_of(first_, id).name] = reals(view); });
    Tensor logits;
    runners_[1].run(inputs, samples, [&](ValueId id, View view) {
      const Tensor actual = reals(view);
      const auto row = row_of_value_.find(id);
      if (row != row_of_value_.end())
        add_difference(out_.rows[row->second].name, reference, actual, samples,
                       out_.rows[row->second].cumulative);
      if (id == second_.outputs[0]) logits = actual;
    });
    if (runners_.size() > 2) add_local(reference, samples);
    if (!logits_.empty()) add_decisions(reference.at(logits_), logits, samples, labels);
    out_.samples += samples;
  }

  bool decides() const { return !logits_.empty(); }
  Comparison result() { return std::move(out_); }

 private:
  // What the first model's values are compared with, or taken for.
  std::vector<ValueId> wanted_of_first() const {
    std::vector<ValueId> out;
    for (size_t i = 0; i < first_.values.size(); ++i) {
      const Value& value = first_.values[i];
      const ValueId local = find_value(local_.graph, value.name);
      const bool is_local_input = std::ranges::find(local_.graph.inputs, local) != local_.graph.inputs.end();
      if (row_of_.contains(value.name) || is_local_input) out.push_back(static_cast<ValueId>(i));
    }
    return out;
  }

  // A row for every tensor that both models compute, in the second's order; the second's values to keep for
  // them.
  std::vector<ValueId> line_up() {
    const Names in_first = computed_values(first_);
    Graph ordered = second_;
    sort_nodes(ordered);
    std::vector<ValueId> keep;
    for (const Node& node : ordered.nodes) {
      for (const ValueId id : node.outputs) {
        const std::string real = names_.of(id);
        if (node.op == "quantize" || !in_first.contains(real) || row_of_.contains(real)) continue;
        const auto is_named = [&](ValueId output) { return value_of(second_, output).name == real; };
        const bool is_output = std::any_of(second_.outputs.begin(), second_.outputs.end(), is_named);
        row_of_[real] = row_of_value_[id] = out_.rows.size();
        out_.rows.push_back({real, node.name, node.op, {}, std::nullopt, is_output});
        keep.push_back(id);
      }
    }
    if (out_.rows.empty()) throw Error(ErrorKind::kInvalid, "the models have no tensor of the same name");
    return keep;
  }

  // Sample by sample, so that the sums do not depend on the batch size.
  void add_difference(const std::string& name, const Batch& reference, const Tensor& actual, int64_t samples,
                      Difference& difference) const {
    const Tensor& expected = reference.at(name);
    const Shape& shape = value_of(first_, find_value(first_, name)).type.shape;
    if (expected.type.shape != actual.type.shape)
      throw Error(ErrorKind::kInvalid, text("/values/", name, ": has another shape in the second model"));
    Tensor copies[2];
    const View x = as_rows(expected.view(), shape, samples, copies[0]);
    const View y = as_rows(actual.view(), shape, samples, copies[1]);
    difference.add(x.as<float>(), y.as<float>(), elements(x.shape));
  }

  void add_local(const Batch& reference, int64_t samples) {
    std::vector<Tensor> inputs;
    for (ValueId id : local_.graph.inputs) inputs.push_back(reference.at(value_of(local_.graph, id).name));
    runners_[2].run(inputs, samples, [&](ValueId id, View view) {
      const std::string& name = local_.outputs.at(id);
      TensorRow& row = out_.rows[row_of_.at(name)];
      if (!row.local) row.local.emplace();
      add_difference(name, reference, reals(view), samples, *row.local);
    });
  }

  void add_decisions(const Tensor& reference, const Tensor& actual, int64_t samples,
                     const std::vector<int64_t>& labels) {
    const int64_t classes = elements(reference.type.shape) / samples;
    const std::vector<int64_t> a = top1(reference.as<float>(), samples, classes),
                               b = top1(actual.as<float>(), samples, classes);
    if (!labels.empty() && !out_.first_right) out_.first_right = out_.second_right = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      *out_.same_top1 += a[i] == b[i];
      if (labels.empty()) continue;
      *out_.first_right += a[i] == labels[i];
      *out_.second_right += b[i] == labels[i];
    }
  }

  const Graph &first_, &second_;
  RealNames names_;
  LocalGraph local_;
  std::vector<BatchRunner> runners_;  // of the first model, the second, and the second's nodes each alone
  std::map<std::string, size_t, std::less<>> row_of_;  // by the name in the first model
  std::map<ValueId, size_t> row_of_value_;             // by the value of the second
  std::string logits_;  // the output that decides, empty when it is no [N, classes]
  Comparison out_;
};

}  // namespace

Comparison compare_models(Job& job, const Graph& first, const Graph& second, Samples& samples,
                          bool with_local) {
  ModelComparison comparison(job, first, second, samples.batch, with_local);
  const bool labelled = comparison.decides() && samples.data.has_labels();
  for_each_batch(
      job, "comparing", samples, [&](int64_t start, int64_t count, const std::vector<Tensor>& inputs) {
        comparison.add(inputs, count, labelled ? samples.data.labels(start, count) : std::vector<int64_t>{});
      });
  return comparison.result();
}

std::vector<const TensorRow*> worst_rows(const Comparison& comparison) {
  std::vector<const TensorRow*> rows;
  for (const TensorRow& row : comparison.rows)
    if (row.local) rows.push_back(&row);
  std::ranges::stable_sort(rows, {}, [](const TensorRow* row) { return sqnr_db(*row->local); });
  return rows;
}

void explain(Job& job, const Graph& first, const Graph& second, Samples& samples, size_t count,
             Comparison& comparison) {
  std::vector<std::string> nodes;
  for (const TensorRow* row : worst_rows(comparison))
    if (nodes.size() < count) nodes.push_back(row->node);
  const std::map<std::string, Cause> causes = find_causes(job, first, second, samples, nodes);
  for (TensorRow& row : comparison.rows)
    if (const auto cause = causes.find(row.node); cause != causes.end()) row.cause = cause->second;
}

}  // namespace q
