// What the tools that run models over data share: the options that choose samples, and the loop over batches.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "q/exec.h"
#include "q/file.h"
#include "tool.h"

namespace q {

struct SampleOptions {
  std::string data, samples, mean, std;
  int64_t batch = 0;  // 0: as open_samples sees fit
};

// The option table's part for these: --data --samples --batch --mean --std.
std::vector<Option> sample_options(SampleOptions& options);

struct SampleRange {
  int64_t first = 0, end = 0;
};

// The data set the options name, for this model, and the samples chosen of it. Normalisation comes from
// --mean and --std, and where they are not given from `recipe`.
struct Samples {
  DataSet data;
  std::string shown;  // for messages
  SampleRange range;
  int64_t batch = 0;  // what was asked for or seen fit, or all there are
};
Samples open_samples(Job& job, const SampleOptions& options, const Graph& model, const InputSpec& recipe);

// "FIRST:END" of `total` samples; either side may be left out. Throws when it is no such range or has no
// samples.
SampleRange parse_range(const std::string& words, int64_t total);

// A graph compiled for a batch size, and for the smaller last batch when there is one.
class BatchRunner {
 public:
  // path: of the graph's file, for messages.
  BatchRunner(const Graph& graph, const std::string& path, ExecOptions options);
  // Runs samples [first, first + inputs' extent).
  void run(const std::vector<Tensor>& inputs, const Executable::Sink& sink);
  // Samples per run: as asked for, or the extent a model with a fixed batch has.
  int64_t batch() const { return options_.batch; }
  Executable& executable() { return full_; }

 private:
  const Graph& graph_;
  ExecOptions options_;
  Executable full_;
  std::unique_ptr<Executable> rest_;
  int64_t rest_batch_ = 0;
};

// Calls body(first, inputs) for each batch of the range, in order, with progress. Throws when a model of
// fixed batch does not divide the range.
void for_each_batch(Job& job, std::string_view what, Samples& samples, const Graph& model,
                    const std::function<void(int64_t first, const std::vector<Tensor>&)>& body);

}  // namespace q
