#include "samples.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <sstream>

#include "base/text.h"

namespace q {

namespace {

int64_t parse_index(std::string_view word, int64_t fallback, const std::string& whole) {
  if (word.empty()) return fallback;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || value < 0)
    throw Error(ErrorKind::kUsage, text("--samples \"", whole, "\", wanted FIRST:END"));
  return value;
}

std::vector<double> parse_numbers(std::string_view option, const std::string& words) {
  std::vector<double> out;
  std::stringstream list(words);
  for (std::string word; std::getline(list, word, ',');) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size())
      throw Error(ErrorKind::kUsage, text(option, " \"", words, "\", wanted numbers separated by commas"));
    out.push_back(value);
  }
  return out;
}

// Eight samples give all threads work to the last layer; fewer, where the largest value would then leave the
// caches between the node that computes it and the one that reads it. A power of two, as the size of a data
// set often has.
int64_t usual_batch(const Graph& model) {
  constexpr int64_t kMost = 8;
  constexpr double kValueBytes = 12 << 20;
  double largest = 0;  // bytes of a sample; whether they can be counted is for the compilation to say
  for (const Value& value : model.values) {
    const Shape& shape = value.type.shape;
    if (free_axis(shape) == kNone) continue;
    double size = bits_of(value.type.dtype) / 8.0;
    for (const int64_t extent : shape.extents()) size *= std::abs(static_cast<double>(extent));
    largest = std::max(largest, size);
  }
  int64_t batch = kMost;
  while (batch > 1 && static_cast<double>(batch) * largest > kValueBytes) batch /= 2;
  return batch;
}

}  // namespace

std::vector<Option> sample_options(SampleOptions& options) {
  return {
      {"--data", "FILE[:/GROUP]", &options.data, "HDF5, .npy or .npz file with the samples"},
      {"--samples", "FIRST:END", &options.samples, "use only these samples, counted from 0, END not included",
       "", true},
      {"--batch", "N", &options.batch,
       "samples computed at a time, 0 for 8 or as few as the caches hold: memory against speed, never a "
       "result"},
      {"--mean", "M,...", &options.mean, "subtract from the data, one number or one per channel", "", true},
      {"--std", "S,...", &options.std, "then divide by these", "", true},
  };
}

SampleRange parse_range(const std::string& words, int64_t total) {
  if (words.empty()) return {0, total};
  const size_t colon = words.find(':');
  if (colon == std::string::npos)
    throw Error(ErrorKind::kUsage, text("--samples \"", words, "\", wanted FIRST:END"));
  const std::string_view all = words;
  const SampleRange range{parse_index(all.substr(0, colon), 0, words),
                          parse_index(all.substr(colon + 1), total, words)};
  if (range.first >= range.end || range.end > total)
    throw Error(ErrorKind::kUsage,
                text("--samples \"", words, "\": the data set has ", total, " samples, wanted some of them"));
  return range;
}

Samples open_samples(Job& job, const SampleOptions& options, const Graph& model, const InputSpec& recipe) {
  if (options.data.empty()) throw Error(ErrorKind::kUsage, "no data: wanted --data FILE");
  if (options.batch < 0)
    throw Error(ErrorKind::kUsage, text("--batch ", options.batch, ", wanted at least 1, or 0"));
  int64_t batch = options.batch > 0 ? options.batch : usual_batch(model);
  if (!takes_any_batch(model)) batch = 1;
  InputSpec normalisation = recipe;
  if (!options.mean.empty()) normalisation.mean = parse_numbers("--mean", options.mean);
  if (!options.std.empty()) normalisation.std = parse_numbers("--std", options.std);
  DataSet data(job.open_data(options.data), model, normalisation, options.data == "-" ? shown("-") : "");
  const SampleRange range = parse_range(options.samples, data.samples());
  return {std::move(data), shown(options.data), range, std::min(batch, range.end - range.first)};
}

BatchRunner::BatchRunner(const Graph& graph, const std::string& path, ExecOptions options)
    : graph_(graph),
      options_(std::move(options)),
      full_(in_file(path, [&] { return Executable(graph, options_); })) {
  malloc_trim(0);  // packing has left holes in memory that runs would not fill
}

void BatchRunner::run(const std::vector<Tensor>& inputs, int64_t samples, const Executable::Sink& sink) {
  std::vector<View> views;
  for (const Tensor& input : inputs) views.push_back(input.view());
  if (samples == options_.batch) return full_.run(views, sink);
  if (rest_batch_ != samples) {
    ExecOptions options = options_;
    options.batch = rest_batch_ = samples;
    rest_ = std::make_unique<Executable>(graph_, options);
  }
  rest_->run(views, sink);
}

Shape rows_shape(const Shape& of_model, int64_t samples) {
  const int axis = free_axis(of_model);
  Shape one = of_model;
  if (axis != kNone) one[axis] *= axis == 0 ? -samples : -1;
  if (axis == 0) return one;
  Ints rows(one.extents().begin(), one.extents().end());
  if (rows.empty() || rows[0] != 1) rows.insert(rows.begin(), 1);
  rows[0] = samples;
  return make_shape(rows);
}

View as_rows(View value, const Shape& of_model, int64_t samples, Tensor& copy) {
  const int axis = free_axis(of_model);
  const Shape shape = rows_shape(of_model, samples);
  if (axis != 0 && (axis != kNone || elements(shape) != elements(value.shape))) {
    copy = make_tensor(value.dtype, shape);
    const size_t all = bytes(value.dtype, shape) / static_cast<size_t>(samples);  // of a sample
    size_t pieces = 1;  // of a sample, each beside those of the others
    for (int before = 0; before < axis; ++before) pieces *= static_cast<size_t>(value.shape[before]);
    const size_t size = all / pieces;
    const size_t step = axis == kNone ? 0 : size;  // from a sample to the next; the same for all
    std::byte* to = copy.data.get();
    for (size_t sample = 0; sample < static_cast<size_t>(samples); ++sample)
      for (size_t piece = 0; piece < pieces; ++piece, to += size)
        std::memcpy(to, value.data + piece * step * static_cast<size_t>(samples) + sample * step, size);
    value.data = copy.data.get();
  }
  value.shape = shape;
  return value;
}

namespace {

int64_t not_finite(const Tensor& x) {
  if (x.type.dtype != DType::kF32) return 0;
  const float* values = x.as<float>();
  return std::count_if(values, values + elements(x.type.shape),
                       [](float value) { return !std::isfinite(value); });
}

}  // namespace

void for_each_batch(Job& job, std::string_view what, Samples& samples,
                    const std::function<void(int64_t, int64_t, const std::vector<Tensor>&)>& body) {
  Progress progress = job.progress(what, samples.range.end - samples.range.first);
  std::map<size_t, int64_t> found;  // by the index of the input
  for (int64_t first = samples.range.first; first < samples.range.end; first += samples.batch) {
    const int64_t count = std::min(samples.batch, samples.range.end - first);
    const std::vector<Tensor> inputs = samples.data.read(first, count);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (const int64_t numbers = not_finite(inputs[i])) found[i] += numbers;
    body(first, count, inputs);
    progress.advance(count);
  }
  samples.warnings.clear();
  for (const auto& [input, numbers] : found)
    samples.warnings.push_back({"not finite", samples.shown,
                                text(numbers, " numbers of input ", input + 1, " are NaN or infinite"),
                                true});
}

}  // namespace q
