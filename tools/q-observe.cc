// q-observe: runs the float model over samples and records what values every tensor takes.
#include <charconv>

#include "base/text.h"
#include "coverage.h"
#include "q/observer.h"
#include "samples.h"

namespace {

q::SampleOptions sample_options;
std::string shard, non_finite = "error";
bool stats_only = false;

// Part i of n of the samples: a contiguous piece.
q::SampleRange part_of(const q::SampleRange& range, const std::string& words) {
  if (words.empty()) return range;
  int64_t i = 0, n = 0;
  const size_t slash = words.find('/');
  const auto parse = [&](size_t begin, size_t end, int64_t& number) {
    const auto [stop, error] = std::from_chars(words.data() + begin, words.data() + end, number);
    return error == std::errc() && stop == words.data() + end;
  };
  const bool is_pair = slash != std::string::npos && parse(0, slash, i) && parse(slash + 1, words.size(), n);
  if (!is_pair || i < 0 || n < 1 || i >= n)
    throw q::Error(q::ErrorKind::kUsage, q::text("--shard \"", words, "\", wanted I/N with 0 <= I < N"));
  const int64_t total = range.end - range.first;
  return {range.first + total * i / n, range.first + total * (i + 1) / n};
}

// An empty record for every value that is to be observed, and their ids.
std::vector<q::ValueId> prepare(const q::Graph& graph, q::Stats& stats) {
  std::vector<q::ValueId> observed;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const q::Value& value = graph.values[i];
    if (!value.observation || value.constant || value.observation->observer.empty()) continue;
    const q::ObserverDef& def = *q::find_observer(value.observation->observer);
    const int64_t channels = def.per_channel ? value.type.shape[value.observation->spec.axis] : 1;
    stats.entries[value.name] = {value.observation->observer, def.init(channels)};
    observed.push_back(static_cast<q::ValueId>(i));
  }
  return observed;
}

void observe(q::Job& job, const q::Graph& graph, q::Samples& samples, q::Stats& stats) {
  const std::vector<q::ValueId> observed = prepare(graph, stats);
  const q::Kernels& kernels = q::kernels_for(job.isa);
  q::BatchRunner runner(graph, job.inputs[0],
                        {.batch = samples.batch, .isa = job.isa, .keep = observed, .stored_order = true});
  q::for_each_batch(
      job, "observing", samples, [&](int64_t first, int64_t count, const std::vector<q::Tensor>& inputs) {
        runner.run(inputs, count, [&](q::ValueId id, q::View view) {
          const q::Value& value = graph.values[static_cast<size_t>(id)];
          const auto entry = stats.entries.find(value.name);
          if (entry == stats.entries.end()) return;  // an output nobody quantizes
          const q::ObserverDef& def = *q::find_observer(entry->second.observer);
          // what is the same for all samples counts for each
          const bool is_shared = q::free_axis(value.type.shape) == q::kNone;
          for (int64_t times = is_shared ? count : 1; times > 0; --times)
            def.update(entry->second.state, view, value.observation->spec.axis, kernels);
          if (non_finite == "error" && def.non_finite(entry->second.state) > 0)
            throw q::Error(
                q::ErrorKind::kInvalid,
                q::text(samples.shown, ": samples ", first, " to ", first + count - 1, ": ", value.name,
                        " has ", def.non_finite(entry->second.state), " values that are NaN or infinite"));
        });
        stats.samples += count;
      });
}

q::ExitStatus run(q::Job& job) {
  job.open_output();
  q::File file = job.read_model(job.inputs[0]);
  q::refuse_quantized(file.graph, job.inputs[0]);
  const q::Recipe& recipe = job.recipe("int8");
  q::Changes changes;
  q::Samples samples = q::open_samples(job, sample_options, file.graph, recipe.input);
  samples.range = part_of(samples.range, shard);
  q::Graph placed = q::run_pass("place_observers", file.graph, {.recipe = &recipe}, changes);
  job.report(changes);
  file.stats = {};
  observe(job, placed, samples, file.stats);
  job.say(q::text("observed ", file.stats.entries.size(), " tensors over ", file.stats.samples, " samples"));
  if (stats_only) file.format = q::Format::kStats;
  file.graph = std::move(placed);
  job.write(std::move(file));
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<q::Option> options = q::sample_options(sample_options);
  options.push_back(
      {"--shard", "I/N", &shard, "observe only part I of N, counted from 0; q-calibrate merges the parts"});
  options.push_back({"--stats-only", "", &stats_only, "write the record without the model"});
  options.push_back(
      {"--non-finite", "WHAT", &non_finite, "on NaN or infinity end with an error, or count", "error|count"});
  return q::tool_main({.name = "q-observe",
                       .summary = "run a float model over samples and record the values of every tensor",
                       .operands = "[MODEL] --data FILE",
                       .writes_file = true,
                       .takes_recipe = true,
                       .options = std::move(options),
                       .run = run},
                      argc, argv);
}
