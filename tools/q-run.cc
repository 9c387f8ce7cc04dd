// q-run: executes a model over samples and writes its outputs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>

#include "base/text.h"
#include "samples.h"

namespace {

q::SampleOptions sample_options;
std::vector<std::string> keep;
int64_t repeat = 0;
bool profile = false;

std::vector<q::ValueId> ids_to_keep(const q::Graph& graph) {
  std::vector<q::ValueId> out;
  for (const std::string& name : keep) {
    const q::ValueId id = q::find_value(graph, name);
    if (id == q::kNone || graph.values[static_cast<size_t>(id)].constant)
      throw q::Error(q::ErrorKind::kUsage, q::text("--keep ", name, ": the model computes no such value"));
    out.push_back(id);
  }
  return out;
}

double seconds_of(q::BatchRunner& runner, const std::vector<q::Tensor>& inputs, int64_t samples) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(inputs, samples, [](q::ValueId, q::View) {});
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Times the first batch again and again; the first run warms up and does not count.
void measure(q::BatchRunner& runner, const std::vector<q::Tensor>& inputs, int64_t samples) {
  seconds_of(runner, inputs, samples);
  std::vector<double> times;
  for (int64_t i = 0; i < repeat; ++i) times.push_back(seconds_of(runner, inputs, samples));
  std::sort(times.begin(), times.end());
  std::printf("%.4f ms per sample (batch %lld, median of %lld runs, fastest %.4f, slowest %.4f)\n",
              1e3 * times[times.size() / 2] / static_cast<double>(samples), static_cast<long long>(samples),
              static_cast<long long>(repeat), 1e3 * times.front() / static_cast<double>(samples),
              1e3 * times.back() / static_cast<double>(samples));
}

// What all threads together reach at most with the kernels of a step, in multiply-adds per second.
class Limits {
 public:
  explicit Limits(const std::string& isa) : isa_(isa) {}
  double of(const std::string& kernel) {
    const auto [found, is_new] = rates_.try_emplace(kernel);
    if (is_new) found->second = q::peak_rate(isa_, kernel) * q::threads();
    return found->second;
  }

 private:
  std::string isa_;
  std::map<std::string, double> rates_;
};

void print_profile(const q::Executable& executable, const std::string& isa, int64_t batches) {
  std::vector<const q::Executable::Step*> steps;
  double total = 0;
  for (const q::Executable::Step& step : executable.steps()) {
    steps.push_back(&step);
    total += step.seconds;
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const auto* a, const auto* b) { return a->seconds > b->seconds; });
  Limits limits(isa);
  const std::string row = q::text("/", q::row_name(isa));
  std::printf("%10s %6s %9s %6s  %-18s %-16s %s\n", "ms", "share", "GMAC/s", "limit", "kernel", "op", "node");
  for (const q::Executable::Step* step : steps) {
    const double seconds = step->seconds / static_cast<double>(batches);
    std::string rate = "-", limit = "-";
    if (step->macs > 0) {
      const double macs = static_cast<double>(step->macs) / seconds;
      rate = q::text(std::lround(macs / 1e9));
      limit = q::text(std::lround(100 * macs / limits.of(step->kernel)), "%");
    }
    std::printf("%10.4f %5.1f%% %9s %6s  %-18s %-16s %s\n", 1e3 * seconds, 100 * step->seconds / total,
                rate.c_str(), limit.c_str(), (step->kernel + row).c_str(), step->op.c_str(),
                q::printable(step->node).c_str());
  }
}

q::ExitStatus run(q::Job& job) {
  if (repeat < 0) throw q::Error(q::ErrorKind::kUsage, q::text("--repeat ", repeat, ", wanted at least 1"));
  const q::File file = job.read_model(job.inputs[0]);
  const q::InputSpec input = job.recipes.empty() ? q::InputSpec{} : job.recipe("int8").input;
  q::Samples samples = q::open_samples(job, sample_options, file.graph, input);
  q::BatchRunner runner(file.graph, job.inputs[0],
                        {.batch = samples.batch, .isa = job.isa, .keep = ids_to_keep(file.graph)});
  if (repeat > 0) {
    measure(runner, samples.data.read(samples.range.first, samples.batch), samples.batch);
    return q::kDone;
  }
  if (profile) runner.executable().profile(true);
  // a profile is text for standard output: tensors are then written only where -o says
  std::optional<q::OutputFile> out;
  std::optional<q::TensorWriter> writer;
  if (!profile || job.output != "-") {
    out.emplace(job.output);
    writer.emplace(out->path(), job.history(file.history), out->shown());
  }
  int64_t batches = 0;
  q::Tensor copy;
  q::for_each_batch(job, "running", samples,
                    [&](int64_t, int64_t count, const std::vector<q::Tensor>& inputs) {
                      runner.run(inputs, count, [&](q::ValueId id, q::View view) {
                        const q::Value& value = file.graph.values[static_cast<size_t>(id)];
                        if (writer)
                          writer->append(value.name, q::as_rows(view, value.type.shape, count, copy));
                      });
                      ++batches;
                    });
  job.report(samples.warnings);
  if (writer) {
    writer->close();
    job.check_inputs();
    out->commit();
  }
  if (profile) print_profile(runner.executable(), job.isa, batches);
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<q::Option> options = q::sample_options(sample_options);
  options.push_back({"--keep", "NAME", &keep, "write this inner value too; repeatable", "", true});
  options.push_back({"--repeat", "N", &repeat, "run the first batch N times and print its time instead"});
  options.push_back({"--profile", "", &profile, "print the time of every node; no output but with -o"});
  return q::tool_main({.name = "q-run",
                       .summary = "execute a model over samples and write its outputs",
                       .operands = "[MODEL] --data FILE",
                       .writes_file = true,
                       .takes_recipe = true,
                       .options = std::move(options),
                       .run = run},
                      argc, argv);
}
