// q-fuse: makes one node of several where the result is the same.
#include <algorithm>

#include "base/text.h"
#include "coverage.h"
#include "tool.h"

namespace {

std::vector<std::string> skipped, decomposed;

// Once nothing else fuses.
constexpr std::string_view kLast = "fuse_quantized";
constexpr std::string_view kPasses[] = {"fold_constants",  "remove_identity", "fuse_rsqrt",
                                        "fuse_layer_norm", "fuse_gelu",       "fuse_pad",
                                        "fuse_bias",       "fold_batch_norm", "fold_batch_norm_ahead",
                                        "fuse_gate",       "fuse_activation"};

void check_skipped() {
  for (const std::string& name : skipped)
    if (name != kLast && std::find(std::begin(kPasses), std::end(kPasses), name) == std::end(kPasses))
      throw q::Error(q::ErrorKind::kUsage,
                     q::text("--skip ", name, ": no rule is called so (see q-fuse(1))"));
}

q::ExitStatus run(q::Job& job) {
  check_skipped();
  q::File file = job.read_model(job.inputs[0]);
  q::refuse_quantized(file.graph, job.inputs[0]);
  q::Changes changes;
  // one rule can make room for another: until a round finds nothing
  for (;;) {
    const size_t before = changes.size();
    for (std::string_view pass : kPasses)
      if (std::find(skipped.begin(), skipped.end(), pass) == skipped.end())
        file.graph = q::run_pass(pass, std::move(file.graph), {}, changes);
    if (changes.size() == before) break;
  }
  file.graph = q::run_pass("decompose", std::move(file.graph), {.decompose = decomposed}, changes);
  if (std::find(skipped.begin(), skipped.end(), kLast) == skipped.end())
    file.graph = q::run_pass(kLast, std::move(file.graph), {}, changes);
  q::validate(file.graph);
  job.report(changes);
  file.stats = {};
  job.write(std::move(file));
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return q::tool_main(
      {.name = "q-fuse",
       .summary = "make one node of several where the result is the same",
       .operands = "[MODEL]",
       .writes_file = true,
       .options = {{"--skip", "RULE", &skipped, "leave out a rule; repeatable", "", true},
                   {"--decompose", "OP", &decomposed,
                    "write this operator out as simpler ones, as TinyNN does; repeatable", "", true}},
       .run = run},
      argc, argv);
}
