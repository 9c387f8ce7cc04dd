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
  int64_t batch =
      0;  // what was asked for or seen fit, or all there are; 1 where the model takes one at a time
  Changes warnings = {};  // of what for_each_batch has met: inputs with NaN or infinities
};
Samples open_samples(Job& job, const SampleOptions& options, const Graph& model, const InputSpec& recipe);

// "FIRST:END" of `total` samples; either side may be left out. Throws when it is no such range or has no
// samples.
SampleRange parse_range(const std::string& words, int64_t total);

// A value of a batch of samples as rows of a tensor file, which the batch size leaves no trace in: as it is
// when its samples come first, else what each sample alone gives, one behind the other along a new first axis
// (or along its own, when that has an extent of 1). of_model: the value's shape in the graph.
Shape rows_shape(const Shape& of_model, int64_t samples);
View as_rows(View value, const Shape& of_model, int64_t samples, Tensor& copy);

// A graph compiled for a batch size, and for the smaller last batch when there is one.
class BatchRunner {
 public:
  // path: of the graph's file, for messages.
  BatchRunner(const Graph& graph, const std::string& path, ExecOptions options);
  // Runs so many samples.
  void run(const std::vector<Tensor>& inputs, int64_t samples, const Executable::Sink& sink);
  Executable& executable() { return full_; }

 private:
  const Graph& graph_;
  ExecOptions options_;
  Executable full_;
  std::unique_ptr<Executable> rest_;
  int64_t rest_batch_ = 0;
};

// Calls body(first, count, inputs) for each batch of the range, in order, with progress. Afterwards
// samples.warnings has an entry for each input that held NaN or infinities.
void for_each_batch(
    Job& job, std::string_view what, Samples& samples,
    const std::function<void(int64_t first, int64_t count, const std::vector<Tensor>& inputs)>& body);

}  // namespace q
