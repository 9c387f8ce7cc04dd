// q-calibrate: merges records of observation and chooses scale and zero point of every tensor.
#include <algorithm>

#include "base/text.h"
#include "q/exec.h"
#include "q/observer.h"
#include "tool.h"

namespace {

std::string method;
std::optional<double> percentile;

// True when q-observe found nothing to quantize.
bool all_stay_float(const q::Graph& graph) {
  return !graph.nodes.empty() && std::all_of(graph.nodes.begin(), graph.nodes.end(),
                                             [](const q::Node& node) { return !node.float_reason.empty(); });
}

bool is_placed(const q::Graph& graph) {
  return std::any_of(graph.values.begin(), graph.values.end(),
                     [](const q::Value& value) { return value.observation.has_value(); });
}

bool same(const q::HistoryRecord& a, const q::HistoryRecord& b) {
  return a.tool == b.tool && a.version == b.version && a.recipe == b.recipe && a.arguments == b.arguments;
}

// What the records were made with: empty when their files tell nothing.
std::string recipe_of(const std::vector<q::HistoryRecord>& history) {
  for (auto record = history.rbegin(); record != history.rend(); ++record)
    if (record->tool == "q-observe") return record->recipe;
  return "";
}

// Adds the records of one file, which must have been made like those before it.
void add_stats(q::File& model, const q::File& stats, const std::string& path, bool is_first) {
  if (stats.stats.entries.empty())
    throw q::Error(q::ErrorKind::kInvalid, q::text(path, ": holds no statistics"));
  const bool alike = std::equal(stats.history.begin(), stats.history.end(), model.history.begin(),
                                model.history.end(), same);
  if (!is_first && !alike)
    throw q::Error(q::ErrorKind::kInvalid,
                   q::text(path, ": was made by other commands than the statistics before it"));
  if (stats.history.size() > model.history.size()) model.history = stats.history;
  q::merge(model.stats, stats.stats);
}

void override_methods(q::Graph& graph) {
  for (q::Value& value : graph.values) {
    if (!value.observation || value.constant || value.observation->observer.empty()) continue;
    if (!method.empty()) {
      const q::ObserverDef& def = *q::find_observer(value.observation->observer);
      if (std::find(def.methods.begin(), def.methods.end(), method) == def.methods.end())
        throw q::Error(q::ErrorKind::kUsage, q::text("/values/", value.name, ": ", def.name,
                                                     " does not offer the method ", method));
      value.observation->method = method;
    }
    if (percentile) value.observation->percentile = *percentile;
  }
}

q::ExitStatus run(q::Job& job) {
  if (percentile && !(*percentile > 0 && *percentile <= 100))
    throw q::Error(q::ErrorKind::kUsage,
                   q::text("--percentile ", q::number(*percentile), ", wanted more than 0 and at most 100"));
  q::File model = job.read_model(job.inputs[0]);
  if (job.inputs.size() > 1) model.stats = {};
  for (size_t i = 1; i < job.inputs.size(); ++i)
    add_stats(model, job.read(job.inputs[i]), q::shown(job.inputs[i]), i == 1);
  q::Changes changes;
  if (model.stats.entries.empty() && all_stay_float(model.graph)) {
    changes.push_back({"nothing to quantize", "", "all nodes stay float", true});
    job.report(changes);
    job.write(std::move(model));
    return q::kDone;
  }
  if (model.stats.entries.empty())
    throw q::Error(q::ErrorKind::kInvalid,
                   q::text(q::shown(job.inputs[0]), ": no statistics: run q-observe first"));

  if (!job.recipes.empty() || !is_placed(model.graph)) {
    const q::Recipe& recipe = job.recipe("int8");
    const std::string observed = recipe_of(model.history);
    if (job.recipes.empty() && !observed.empty() && observed != recipe.digest)
      throw q::Error(q::ErrorKind::kUsage,
                     "the statistics were made with another recipe than the default one: give --recipe");
    model.graph = q::run_pass("place_observers", std::move(model.graph), {.recipe = &recipe}, changes);
    if (recipe.digest == observed)
      job.forget_recipe();  // same bytes as when q-observe had written it into the model
  }
  override_methods(model.graph);
  model.graph = q::run_pass("calibrate", std::move(model.graph),
                            {.stats = &model.stats, .kernels = &q::kernels_for(job.isa)}, changes);
  job.report(changes);
  model.stats = {};
  job.write(std::move(model));
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return q::tool_main(
      {.name = "q-calibrate",
       .summary = "choose scale and zero point of every tensor from what q-observe recorded",
       .operands = "[MODEL [STATS]...]",
       .inputs_max = 1 << 16,
       .writes_file = true,
       .takes_recipe = true,
       .options = {{"--method", "NAME", &method, "how a range is chosen, instead of the recipe's",
                    "mse|minmax|percentile|entropy", true},
                   {"--percentile", "P", &percentile,
                    "per cent of the values inside, for the method percentile", "", true}},
       .run = run},
      argc, argv);
}
