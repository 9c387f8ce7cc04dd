// q-import: reads an ONNX model and writes it as a q-model file.
#include <charconv>

#include "base/text.h"
#include "q/onnx.h"
#include "tool.h"

namespace {

std::vector<std::string> shapes;
std::string data;

// NAME=EXTENT,... with N for an extent that stays as it is in the file.
std::pair<std::string, q::Shape> parse_shape(const std::string& words) {
  const auto fail = [&] {
    throw q::Error(
        q::ErrorKind::kUsage,
        q::text("--shape \"", words, "\", wanted NAME=EXTENT,... with numbers, or N for the first"));
  };
  const size_t equals = words.rfind('=');
  if (equals == std::string::npos || equals == 0) fail();
  std::vector<int64_t> extents;
  for (size_t at = equals + 1; at < words.size();) {
    const size_t end = std::min(words.find(',', at), words.size());
    int64_t extent = q::kFree;
    if (extents.empty() && words.substr(at, end - at) == "N") {
      extents.push_back(extent);
    } else {
      const auto [stop, error] = std::from_chars(words.data() + at, words.data() + end, extent);
      if (error != std::errc() || stop != words.data() + end || extent < 1 || extent > INT32_MAX) fail();
      extents.push_back(extent);
    }
    at = end + 1;
    if (at == words.size()) fail();
  }
  return {words.substr(0, equals), q::make_shape(extents)};
}

q::ImportOptions import_options(q::Job& job) {
  q::ImportOptions options;
  for (const std::string& words : shapes) {
    const auto [name, shape] = parse_shape(words);
    if (!options.shapes.emplace(name, shape).second)
      throw q::Error(q::ErrorKind::kUsage, q::text("--shape ", name, " is given twice"));
  }
  if (data.empty()) return options;
  const std::string path = job.open_data(data);
  options.data = [path](const std::string& input, bool is_only) {
    return q::data_shape(path, input, is_only, data == "-" ? q::shown("-") : "");
  };
  return options;
}

q::ExitStatus run(q::Job& job) {
  q::Changes changes;
  const q::InputFile& input = job.open(job.inputs[0]);
  q::File file;
  file.graph = q::import_onnx(input.path(), input.shown(), changes, import_options(job));
  q::in_file(job.inputs[0], [&] {
    for (const char* pass : {"remove_identity", "fold_constants"})
      file.graph = q::run_pass(pass, std::move(file.graph), {}, changes);
  });
  job.report(changes);
  job.write(std::move(file));
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return q::tool_main(
      {.name = "q-import",
       .summary = "read an ONNX model and write it as a q-model file",
       .operands = "[MODEL.onnx]",
       .writes_file = true,
       .options = {{"--shape", "NAME=EXTENT,...", &shapes,
                    "extents of an input that the model leaves open; repeatable", "", true},
                   {"--data", "FILE[:/GROUP]", &data,
                    "take extents that the model leaves open, and that do not count samples, from "
                    "these data"}},
       .run = run},
      argc, argv);
}
