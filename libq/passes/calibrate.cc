// Chooses scale and zero point of every value that shall be integers: from the records of a calibration run,
// for constants from their own values.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "kernels/dispatch.h"
#include "passes/shared/bias_room.h"
#include "passes/shared/ranges.h"

namespace q {

namespace {

class Calibrator {
 public:
  Calibrator(Graph graph, const Stats& stats, const Kernels& kernels, Changes& changes)
      : graph_(std::move(graph)), kernels_(kernels), changes_(changes) {
    sort_nodes(graph_);
    find_groups();
    find_borders();
    merge_records(stats);
  }

  Graph apply() {
    for (const Node& node : graph_.nodes)
      if (awaits_decision(node)) share_or_requantize(node);
    const std::set<ValueId> weights = weight_values();
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const ValueId id = static_cast<ValueId>(i);
      if (!chooses(value(id))) continue;
      if (value(id).constant)
        choose_for_constant(value(id), weights.contains(id));
      else if (root(id) == id)
        choose_for_activation(id);
    }
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const ValueId id = static_cast<ValueId>(i);
      if (value(id).observation && root(id) != id) value(id).type.qparams = value(root(id)).type.qparams;
    }
    give_room_to_biases(graph_, changes_);
    return std::move(graph_);
  }

 private:
  struct Record {
    std::string observer;
    ObserverState state;
    const Observation* observation = nullptr;
  };

  Value& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return graph_.values[static_cast<size_t>(id)]; }
  static bool chooses(const Value& value) {
    return value.observation && value.observation->method != "fixed";
  }
  ValueId root(ValueId id) const {
    while (shares_[static_cast<size_t>(id)] != id) id = shares_[static_cast<size_t>(id)];
    return id;
  }

  void find_groups() {
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      shares_.push_back(static_cast<ValueId>(i));
      const Value& each = graph_.values[i];
      if (!each.observation || each.observation->shares.empty()) continue;
      shares_[i] = find_value(graph_, each.observation->shares);
      if (shares_[i] == kNone || !value(shares_[i]).observation)
        throw Error(ErrorKind::kInvalid, text("/values/", each.name, ": shares with ",
                                              each.observation->shares, ", which has no parameters"));
      if (!value(shares_[i]).observation->shares.empty())
        throw Error(ErrorKind::kInvalid,
                    text("/values/", each.name, ": shares with ", each.observation->shares,
                         ", which shares with another, wanted the value that they all share"));
    }
    readers_ = consumers(graph_);
  }

  // What pads put around the values of a group.
  void find_borders() {
    for (const Node& node : graph_.nodes) {
      const OpDef& op = *find_op(node.op);
      const Value& output = value(node.outputs[0]);
      if (op.border == nullptr || !node.float_reason.empty() || !output.observation) continue;
      const std::optional<float> border = op.border(complete_attrs(op, node.attrs));
      if (!border) continue;
      const ValueId id = root(node.outputs[0]);
      borders_[id].push_back({*border, !only_greatest_show(node.outputs[0])});
    }
  }

  bool only_greatest_show(ValueId id) const {
    if (std::ranges::find(graph_.outputs, id) != graph_.outputs.end()) return false;
    return std::ranges::all_of(readers_[static_cast<size_t>(id)], [&](NodeId reader) {
      return find_op(graph_.nodes[static_cast<size_t>(reader)].op)->takes_greatest;
    });
  }

  // Per group the merged record of its values.
  void merge_records(const Stats& stats) {
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& each = graph_.values[i];
      if (!each.observation || each.constant || each.observation->observer.empty()) continue;
      const auto entry = stats.entries.find(each.name);
      if (entry == stats.entries.end())
        throw Error(ErrorKind::kInvalid,
                    text("/values/", each.name, ": was never observed: run q-observe, with this recipe"));
      add_record(root(static_cast<ValueId>(i)), entry->second.observer, entry->second.state,
                 *each.observation);
    }
  }

  void add_record(ValueId id, const std::string& observer, const ObserverState& state,
                  const Observation& observation) {
    const auto [found, is_new] = records_.try_emplace(id, Record{observer, state, &observation});
    if (is_new) return;
    if (found->second.observer != observer)
      throw Error(ErrorKind::kInvalid, text("/values/", value(id).name, ": observed by ",
                                            found->second.observer, " and by ", observer));
    observer_of(observer, value(id).name).merge(found->second.state, state);
  }

  Range range_of(ValueId id) const {
    const Record& record = records_.at(id);
    const auto borders = borders_.find(id);
    return ranges_of(value(id).name, *record.observation, observer_of(record.observer, value(id).name),
                     record.state, borders == borders_.end() ? std::vector<Border>{} : borders->second)[0];
  }

  // ---- operators whose inputs and output may share their parameters: cat ----

  // Left open by place_observers: the output is recorded by its inputs.
  bool awaits_decision(const Node& node) const {
    const Value& output = value(node.outputs[0]);
    return find_op(node.op)->qrule == QRule::kShared && node.float_reason.empty() && chooses(output) &&
           output.observation->observer.empty() && output.observation->shares.empty();
  }

  // An input shares the output's parameters, so that its integers are copied, unless somebody else reads it
  // too and its own scale is at most half of the output's: that reader would lose a bit or more, and the
  // output by rounding once more at most a decibel.
  void share_or_requantize(const Node& node) {
    const ValueId output = node.outputs[0];
    for (ValueId input : node.inputs) {
      const Record& record = records_.at(root(input));
      add_record(output, record.observer, record.state, *record.observation);
      const auto borders = borders_.find(root(input));
      if (borders != borders_.end())
        borders_[output].insert(borders_[output].end(), borders->second.begin(), borders->second.end());
    }
    const QuantSpec& spec = value(output).observation->spec;
    const auto scale = [&](ValueId id) {
      const Range range = range_of(id);
      return choose_qparams(spec, {&range, 1}, text("/values/", value(id).name)).scales[0];
    };
    const double shared = scale(output);
    std::string kept;
    for (ValueId input : node.inputs) {
      const ValueId group = root(input);
      if (group == output) continue;
      if (has_other_reader(group, node) && 2 * scale(group) <= shared)
        kept += text(kept.empty() ? "" : ", ", value(input).name);
      else
        shares_[static_cast<size_t>(group)] = output;
    }
    if (!kept.empty())
      changes_.push_back({"requantized", node.name, text("keep a finer scale of their own: ", kept)});
  }

  // Whether a value of the group is read by more than this node and those that keep it in the group.
  bool has_other_reader(ValueId group, const Node& node) const {
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const ValueId id = static_cast<ValueId>(i);
      if (root(id) != group) continue;
      if (std::ranges::find(graph_.outputs, id) != graph_.outputs.end()) return true;
      for (NodeId reader : readers_[i]) {
        const Node& other = graph_.nodes[static_cast<size_t>(reader)];
        if (&other != &node && root(other.outputs[0]) != group) return true;
      }
    }
    return false;
  }

  // ---- parameters ----

  std::set<ValueId> weight_values() const {
    std::set<ValueId> out;
    for (const Node& node : graph_.nodes)
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (is_weight(*find_op(node.op), i)) out.insert(node.inputs[i]);
    return out;
  }

  void choose_for_activation(ValueId id) {
    const Record& record = records_.at(id);
    const ObserverDef& def = observer_of(record.observer, value(id).name);
    if (def.non_finite(record.state) > 0)
      changes_.push_back({"not finite", value(id).name,
                          text(def.non_finite(record.state), " values were NaN or infinite"), true});
    const Range range = range_of(id);
    value(id).type.qparams = activation_qparams(value(id).name, value(id).observation->spec, range, changes_);
    if (def.outside == nullptr) return;
    Observation all = *value(id).observation;
    all.method = "minmax";
    warn_of_clipping(value(id).name, range, def.finish(record.state, all)[0],
                     def.outside(record.state, range), def.count(record.state));
  }

  void warn_of_clipping(const std::string& name, const Range& range, const Range& seen, int64_t outside,
                        int64_t count) {
    constexpr double kManyOutside = 0.01;
    const auto reach = [](const Range& of) { return std::max(-of.lo, of.hi); };
    const double share = static_cast<double>(outside) / static_cast<double>(count);
    if (share > kManyOutside)
      changes_.push_back(
          {"clipped", name, text(number(std::round(share * 1000) / 10), " % of the values"), true});
    else if (outside > 0 && reach(seen) > 2 * static_cast<double>(reach(range)))
      changes_.push_back(
          {"outliers", name,
           text(outside, " of ", count, " values, up to ", number(reach(seen) == seen.hi ? seen.hi : seen.lo),
                ", lie far outside ", number(range.lo), " to ", number(range.hi)),
           true});
  }

  void choose_for_constant(Value& constant, bool is_weight) {
    const Observation& observation = *constant.observation;
    const ObserverDef& def = observer_of(observation.observer, text("/values/", constant.name));
    ObserverState state = def.init(def.per_channel ? constant.type.shape[observation.spec.axis] : 1);
    def.update(state, constant.constant().view(), observation.spec.axis, kernels_);
    if (def.non_finite(state) > 0)
      changes_.push_back(
          {"not finite", constant.name, text(def.non_finite(state), " values were NaN or infinite"), true});
    const std::vector<Range> ranges = ranges_of(constant.name, observation, def, state, {});
    QParams qparams = choose_qparams(observation.spec, ranges, text("/values/", constant.name));
    // of a weight it stays small, so that the bias is told finely
    if (!is_weight && ranges[0].lo == 0 && ranges[0].hi == 0) qparams.scales[0] = 1;
    constant.type.qparams = std::move(qparams);
  }

  Graph graph_;
  const Kernels& kernels_;
  Changes& changes_;
  std::vector<ValueId> shares_;
  std::vector<std::vector<NodeId>> readers_;
  std::map<ValueId, std::vector<Border>> borders_;  // by the group's root
  std::map<ValueId, Record> records_;               // likewise
};

Graph apply(Graph graph, const PassContext& context, Changes& changes) {
  const Kernels& kernels = context.kernels != nullptr ? *context.kernels : *kernels_up_to("generic");
  return Calibrator(std::move(graph), *context.stats, kernels, changes).apply();
}

}  // namespace

extern const PassDef pass_calibrate;
constinit const PassDef pass_calibrate = {"calibrate", "choose scales and zero points from what was observed",
                                          apply};

}  // namespace q
