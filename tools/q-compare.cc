// q-compare: how far a model, or a file of tensors, is from another; thresholds decide the exit status.
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "comparison.h"
#include "report.h"

namespace {

q::SampleOptions sample_options;
std::optional<double> min_sqnr, min_top1_agreement, min_accuracy, max_accuracy_drop;
int64_t suggest = 0;
bool with_causes = false;
bool exact = false, tsv = false, json = false, without_local = false;

// What falls short of its threshold, a line each.
std::vector<std::string> shortfalls(const q::Comparison& c) {
  std::vector<std::string> out;
  const auto check = [&](const std::optional<double>& limit, double found, const std::string& what) {
    if (limit && !(found >= *limit))
      out.push_back(q::text(what, " is ", q::fixed(found, 4), ", wanted at least ", q::number(*limit)));
  };
  const auto share = [&](const std::optional<int64_t>& count) {
    return static_cast<double>(*count) / static_cast<double>(c.samples);
  };
  if (exact) out = c.unmatched;
  for (const q::TensorRow& row : c.rows) {
    if (row.is_output) check(min_sqnr, q::sqnr_db(row.cumulative), "SQNR of " + row.name);
    if (exact && row.is_output && row.cumulative.max_error != 0) out.push_back(row.name + " differs");
  }
  if (min_top1_agreement && !c.same_top1)
    throw q::Error(q::ErrorKind::kUsage, "--min-top1-agreement: the first output is not [N,classes]");
  if ((min_accuracy || max_accuracy_drop) && !c.second_right)
    throw q::Error(q::ErrorKind::kUsage,
                   "--min-accuracy and --max-accuracy-drop: the data have no labels y, or the first output "
                   "is not [N,classes]");
  if (min_top1_agreement) check(min_top1_agreement, share(c.same_top1), "top-1 agreement");
  if (min_accuracy) check(min_accuracy, share(c.second_right), "accuracy");
  if (max_accuracy_drop) {
    const double drop = share(c.first_right) - share(c.second_right);
    if (!(drop <= *max_accuracy_drop))
      out.push_back(q::text("accuracy drops by ", q::fixed(drop, 4), ", wanted at most ",
                            q::number(*max_accuracy_drop)));
  }
  return out;
}

q::Comparison compare_files(q::Job& job) {
  const q::InputFile &first = job.open(job.inputs[0]), &second = job.open(job.inputs[1]);
  for (const q::InputFile* input : {&first, &second}) {
    const q::Format found = q::read_any_file(input->path(), input->shown()).format;
    if (found != q::Format::kTensors)
      throw q::Error(q::ErrorKind::kUsage,
                     q::text(input->shown(), ": is ", q::name_of(found), ", wanted tensors, or --data FILE"));
  }
  return q::compare_tensors({first.path(), first.shown()}, {second.path(), second.shown()});
}

q::Comparison compare_models(q::Job& job) {
  const q::File first = job.read_model(job.inputs[0]), second = job.read_model(job.inputs[1]);
  const q::InputSpec input = job.recipes.empty() ? q::InputSpec{} : job.recipe("int8").input;
  q::Samples samples = q::open_samples(job, sample_options, first.graph, input);
  q::Comparison out = q::compare_models(job, first.graph, second.graph, samples, !without_local);
  job.report(samples.warnings);
  const bool all_shown = job.verbose || tsv || json;
  if (suggest > 0)
    q::explain(job, first.graph, second.graph, samples, static_cast<size_t>(suggest), out);
  else if (with_causes)
    q::explain(job, first.graph, second.graph, samples, all_shown ? out.rows.size() : q::kWorstShown, out);
  return out;
}

q::ExitStatus run(q::Job& job) {
  if (suggest < 0)
    throw q::Error(q::ErrorKind::kUsage, q::text("--suggest ", suggest, ", wanted at least 1"));
  if ((suggest > 0 || with_causes) && (without_local || sample_options.data.empty()))
    throw q::Error(q::ErrorKind::kUsage, q::text(suggest > 0 ? "--suggest" : "--explain",
                                                 ": wanted two models, --data, and no --no-local"));
  const q::Comparison comparison = sample_options.data.empty() ? compare_files(job) : compare_models(job);
  const std::vector<std::string> found = shortfalls(comparison);
  job.check_inputs();
  if (suggest > 0)
    std::cout << q::recipe_patch(comparison);
  else if (json)
    std::cout << q::as_lines(q::as_json(comparison));
  else if (tsv)
    std::cout << q::as_tsv(comparison);
  else
    std::cout << q::as_text(comparison, job.verbose);
  if (!exact)
    for (const std::string& line : comparison.unmatched) job.say(line);
  for (const std::string& line : found) job.say(line);
  return found.empty() ? q::kDone : q::kFallsShort;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<q::Option> options = q::sample_options(sample_options);
  options.push_back({"--min-sqnr", "DB", &min_sqnr, "exit 1 when an output's SQNR is below"});
  options.push_back(
      {"--min-top1-agreement", "SHARE", &min_top1_agreement, "exit 1 when fewer samples get the same class"});
  options.push_back(
      {"--min-accuracy", "SHARE", &min_accuracy, "exit 1 when the second model's accuracy is below"});
  options.push_back(
      {"--max-accuracy-drop", "SHARE", &max_accuracy_drop, "exit 1 when accuracy drops by more"});
  options.push_back({"--exact", "", &exact, "exit 1 unless the outputs are equal"});
  options.push_back({"--no-local", "", &without_local, "leave out each node on its own: faster"});
  options.push_back({"--explain", "", &with_causes, "say what costs the worst nodes their accuracy"});
  options.push_back({"--suggest", "N", &suggest, "print a recipe patch that mends the N worst nodes"});
  options.push_back({"--tsv", "", &tsv, "print a line per tensor, tab separated"});
  options.push_back({"--json", "", &json, "print JSON"});
  return q::tool_main({.name = "q-compare",
                       .summary = "compare two models over samples, or two files of tensors",
                       .operands = "REFERENCE OTHER [--data FILE]",
                       .inputs_min = 2,
                       .inputs_max = 2,
                       .takes_recipe = true,
                       .options = std::move(options),
                       .run = run},
                      argc, argv);
}
