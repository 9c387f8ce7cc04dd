// What every tool shares: options, streams, messages, exit status. The only user of CLI11 is tool.cc.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/stream.h"
#include "q/error.h"
#include "q/file.h"
#include "q/pass.h"
#include "q/recipe.h"

namespace q {

enum ExitStatus { kDone = 0, kFallsShort = 1, kTrouble = 2 };

struct Option {
  std::string_view flags;  // "-n,--batch"
  std::string_view value;  // "N"; empty for a flag
  std::variant<bool*, int64_t*, double*, std::optional<double>*, std::string*, std::vector<std::string>*>
      target;
  std::string_view help;          // one line
  std::string_view choices = "";  // "a|b|c"; empty: anything
  bool changes_result = false;    // goes into the history
};

class Job;

// How messages name an operand.
inline std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }

// Does `work`, whose errors speak of what is inside the file: its name is put in front of them.
template <typename Work>
auto in_file(const std::string& path, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.kind(), shown(path) + ": " + error.what());
  }
}

struct Tool {
  std::string_view name, summary;
  std::string_view operands;  // as usage shows them: "[MODEL]"
  size_t inputs_min = 0, inputs_max = 1;
  bool writes_file = false;  // -o, binary, never to a terminal
  bool takes_recipe = false;
  std::vector<Option> options = {};
  ExitStatus (*run)(Job&) = nullptr;
};

// One line on standard error, rewritten, with rate and time to go; silent unless a terminal watches or it was
// asked for.
class Progress {
 public:
  Progress(std::string_view what, int64_t total, bool shown);
  ~Progress();
  void advance(int64_t done);

 private:
  std::string what_;
  int64_t total_, done_ = 0;
  double started_, printed_ = 0;
  bool shown_;
};

class Job {
 public:
  std::vector<std::string> inputs;  // paths; "-" is standard input
  std::string output = "-";
  std::vector<std::string> recipes;
  std::string isa;
  bool strict = false, quiet = false, verbose = false;

  // The input as a file that can be opened by name; kept until the job ends.
  const InputFile& open(const std::string& path);
  // The data FILE[:/GROUP] as DataSet takes it. Throws when it is a pipe: samples are read in any order.
  std::string open_data(const std::string& spec);
  // Throws when an input has changed since it was opened: to be asked before anything is told of them.
  void check_inputs() const;
  // A model or stats file, with its place in every message.
  File read(const std::string& path);
  // The same, which must be a model.
  File read_model(const std::string& path);
  // The recipes given, or `fallback` when there are none.
  const Recipe& recipe(std::string_view fallback);
  // Leaves the recipe out of the history: the file's history names it already.
  void forget_recipe() { names_recipe_ = false; }
  // Makes `output` ready: what stands in its way is told before a long work, not after.
  void open_output();
  // Writes the file to `output`, with this tool added to its history.
  void write(File file);
  // What this tool adds to the history of a file; nothing under --no-history.
  std::vector<HistoryRecord> history(std::vector<HistoryRecord> before) const;
  // Prints what passes did: a line per rule, with -v a line per node. Warnings end the job under --strict.
  void report(const Changes& changes) const;
  // A line on standard error, unless --quiet.
  void say(const std::string& line) const;
  Progress progress(std::string_view what, int64_t total) const;

 private:
  friend int tool_main(const Tool&, int, char**);
  const Tool* tool_ = nullptr;
  std::vector<std::unique_ptr<InputFile>> opened_;
  std::optional<OutputFile> out_;
  std::optional<Recipe> recipe_;
  std::string arguments_, progress_ = "auto";
  bool without_history_ = false, stdin_taken_ = false, names_recipe_ = true;
};

// Parses, runs, reports; the exit status of the program.
int tool_main(const Tool& tool, int argc, char** argv);

}  // namespace q
