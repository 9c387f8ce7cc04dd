// q-convert: makes an integer model of a calibrated one.
#include "base/text.h"
#include "coverage.h"
#include "tool.h"

namespace {

q::ExitStatus run(q::Job& job) {
  q::File file = job.read_model(job.inputs[0]);
  q::Changes changes;
  file.graph =
      q::in_file(job.inputs[0], [&] { return q::run_pass("convert", std::move(file.graph), {}, changes); });
  q::validate(file.graph);
  const q::Coverage coverage = q::coverage_of(file.graph);
  q::report_islands(file.graph, changes);
  job.report(changes);
  job.say(
      q::text(coverage.integer, " integer, ", coverage.table, " table, ", coverage.floating, " float nodes"));
  file.stats = {};
  job.write(std::move(file));
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return q::tool_main({.name = "q-convert",
                       .summary = "make an integer model of a calibrated one",
                       .operands = "[MODEL]",
                       .writes_file = true,
                       .run = run},
                      argc, argv);
}
