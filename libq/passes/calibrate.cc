// Chooses scale and zero point of every value that shall be integers: from the records of a calibration run,
// for constants from their own values.
#include <map>

#include "base/text.h"
#include "kernels/dispatch.h"
#include "passes/shared/rewrite.h"
#include "q/observer.h"

namespace q {

namespace {

const ObserverDef& observer_of(const std::string& name, const std::string& place) {
  const ObserverDef* def = find_observer(name);
  if (def == nullptr) throw Error(ErrorKind::kInvalid, text(place, ": no observer is called ", name));
  return *def;
}

QParams choose(const Value& value, const ObserverDef& def, const ObserverState& state, Changes& changes) {
  const std::string place = text("/values/", value.name);
  if (def.count(state) == 0)
    throw Error(ErrorKind::kInvalid, text(place, ": saw no values, cannot choose a range"));
  if (def.non_finite(state) > 0)
    changes.push_back(
        {"not finite", value.name, text(def.non_finite(state), " values were NaN or infinite"), true});
  return choose_qparams(value.observation->spec, def.finish(state, *value.observation), place);
}

QParams choose_for_constant(const Value& value, const Kernels& kernels, Changes& changes) {
  const ObserverDef& def = observer_of(value.observation->observer, text("/values/", value.name));
  const QuantSpec& spec = value.observation->spec;
  ObserverState state = def.init(def.per_channel ? value.type.shape[spec.axis] : 1);
  def.update(state, value.constant().view(), spec.axis, kernels);
  return choose(value, def, state, changes);
}

// Per group of values with common parameters the merged record, under the name of the value they share.
Stats merge_groups(const Graph& graph, const Stats& stats) {
  Stats groups;
  for (const Value& value : graph.values) {
    if (!value.observation || value.constant || value.observation->observer.empty()) continue;
    const auto entry = stats.entries.find(value.name);
    if (entry == stats.entries.end())
      throw Error(ErrorKind::kInvalid,
                  text("/values/", value.name, ": was never observed: run q-observe, with this recipe"));
    const std::string& group = value.observation->shares.empty() ? value.name : value.observation->shares;
    Stats one;
    one.entries[group] = entry->second;
    merge(groups, one);
  }
  return groups;
}

Graph apply(Graph graph, const PassContext& context, Changes& changes) {
  const Stats groups = merge_groups(graph, *context.stats);
  const Kernels& kernels = context.kernels != nullptr ? *context.kernels : *kernels_up_to("generic");
  for (Value& value : graph.values) {
    if (!value.observation || value.observation->method == "fixed") continue;
    if (value.constant) {
      value.type.qparams = choose_for_constant(value, kernels, changes);
    } else if (value.observation->shares.empty()) {
      const Stats::Entry& entry = groups.entries.at(value.name);
      value.type.qparams = choose(value, observer_of(entry.observer, value.name), entry.state, changes);
    }
  }
  for (Value& value : graph.values) {
    if (!value.observation || value.observation->shares.empty()) continue;
    const ValueId shared = find_value(graph, value.observation->shares);
    if (shared == kNone)
      throw Error(ErrorKind::kInvalid, text("/values/", value.name, ": shares with ",
                                            value.observation->shares, ", which is no value"));
    value.type.qparams = graph.values[static_cast<size_t>(shared)].type.qparams;
  }
  return graph;
}

}  // namespace

extern const PassDef pass_calibrate;
constinit const PassDef pass_calibrate = {"calibrate", "choose scales and zero points from what was observed",
                                          apply};

}  // namespace q
