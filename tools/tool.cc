#include "tool.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>

#include "base/guard.h"
#include "base/memory.h"
#include "base/text.h"
#include "q/exec.h"

#ifndef Q_VERSION
#error "the build defines Q_VERSION"
#endif

namespace q {

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<Option> common_options(Job& job, const Tool& tool, int64_t* threads, std::string* max_memory,
                                   std::string* progress, bool* without_history) {
  std::vector<Option> out;
  if (tool.takes_recipe)
    out.push_back(
        {"--recipe", "FILE", &job.recipes, "recipe, by path or name; repeatable, later ones override"});
  if (tool.writes_file)
    out.push_back({"-o,--output", "FILE", &job.output, "where the result goes, - for standard output"});
  out.push_back({"-j,--threads", "N", threads, "threads to use, 0 for one per core"});
  out.push_back(
      {"--max-memory", "SIZE", max_memory,
       "memory to take at most, as 500M or 8G; without it half of the machine's, and no more than 4G"});
  out.push_back({"--isa", "NAME", &job.isa, "force the kernels of one instruction set (also $Q_ISA)"});
  out.push_back({"--strict", "", &job.strict, "make an error of every counted warning"});
  out.push_back({"-q,--quiet", "", &job.quiet, "say nothing but errors"});
  out.push_back({"-v,--verbose", "", &job.verbose, "name every node something was done to"});
  out.push_back({"--progress", "WHEN", progress, "show progress on standard error", "auto|always|never"});
  if (tool.writes_file)
    out.push_back({"--no-history", "", without_history, "write no history into the file"});
  return out;
}

std::string default_of(const Option& option) {
  struct Printer {
    std::string operator()(bool*) const { return ""; }
    std::string operator()(int64_t* v) const { return std::to_string(*v); }
    std::string operator()(double* v) const { return number(*v); }
    std::string operator()(std::optional<double>*) const { return ""; }
    std::string operator()(std::string* v) const { return *v; }
    std::string operator()(std::vector<std::string>*) const { return ""; }
  };
  return std::visit(Printer{}, option.target);
}

// The options every tool has that are answered before anything else.
constexpr Option kAnswers[] = {
    {"--help", "", static_cast<bool*>(nullptr), "print this and end"},
    {"--version", "", static_cast<bool*>(nullptr), "print the version and end"},
};

void describe(const std::vector<Option>& options) {
  for (const Option& option : options)
    std::cout << option.flags << '\t' << option.value << '\t' << option.help << '\t' << default_of(option)
              << '\t' << option.choices << '\n';
  for (const Option& option : kAnswers) std::cout << option.flags << "\t\t" << option.help << "\t\t\n";
}

void print_help(const Tool& tool, const std::vector<Option>& options) {
  std::cout << "usage: " << tool.name << " [OPTION]... " << tool.operands << '\n'
            << tool.name << ": " << tool.summary << "\n\n";
  const auto print = [](const Option& option, const std::string& fallback) {
    std::string left = text("  ", option.flags, option.value.empty() ? "" : " ", option.value);
    left.resize(std::max<size_t>(left.size() + 2, 28), ' ');
    std::cout << left << option.help;
    if (!option.choices.empty()) std::cout << ": " << option.choices;
    if (!fallback.empty()) std::cout << " [" << fallback << "]";
    std::cout << '\n';
  };
  for (const Option& option : options) print(option, default_of(option));
  for (const Option& option : kAnswers) print(option, "");
  std::cout << "\nThe manual page " << tool.name << "(1) has examples; q(7) is the overview.\n";
}

void declare(CLI::App& app, const Option& option) {
  const std::string flags(option.flags), help(option.help);
  CLI::Option* declared = std::visit(
      [&](auto* target) -> CLI::Option* {
        if constexpr (std::is_same_v<decltype(target), bool*>)
          return app.add_flag(flags, *target, help);
        else
          return app.add_option(flags, *target, help);
      },
      option.target);
  if (std::holds_alternative<std::vector<std::string>*>(option.target))
    declared->take_all()->allow_extra_args(false);
  if (option.choices.empty()) return;
  std::vector<std::string> allowed;
  std::stringstream list{std::string(option.choices)};
  for (std::string word; std::getline(list, word, '|');) allowed.push_back(word);
  declared->check([allowed, choices = std::string(option.choices)](const std::string& word) {
    const bool known = std::find(allowed.begin(), allowed.end(), word) != allowed.end();
    return known ? std::string() : text("\"", word, "\", wanted ", choices);
  });
}

// What was given of the options that change the result, in the order of the table.
std::string recorded_arguments(const CLI::App& app, const std::vector<Option>& options) {
  std::string out;
  for (const Option& option : options) {
    if (!option.changes_result) continue;
    const std::string longest(option.flags.substr(option.flags.rfind(',') + 1));
    const CLI::Option* given = app.get_option(longest);
    if (given->count() == 0) continue;
    if (option.value.empty()) out += (out.empty() ? "" : " ") + longest;
    for (const std::string& word : option.value.empty() ? std::vector<std::string>{} : given->results())
      out += (out.empty() ? "" : " ") + longest + " " + word;
  }
  return out;
}

[[noreturn]] void refuse_command(const std::string& what, const Tool& tool) {
  throw Error(ErrorKind::kUsage, text(what, " (try ", tool.name, " --help)"));
}

// The parser's words made one line in our form.
std::string one_line(std::string words) {
  std::replace(words.begin(), words.end(), '\n', ' ');
  while (!words.empty() && words.back() == ' ') words.pop_back();
  if (!words.empty()) words[0] = static_cast<char>(std::tolower(words[0]));
  return words;
}

void check_stdout() {
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0)
    throw Error(ErrorKind::kSystem, "standard output: could not be written");
}

}  // namespace

Progress::Progress(std::string_view what, int64_t total, bool shown)
    : what_(what), total_(total), started_(now()), shown_(shown) {}

Progress::~Progress() {
  if (shown_ && printed_ > 0) std::cerr << "\r\033[K" << std::flush;
}

void Progress::advance(int64_t done) {
  done_ += done;
  const double time = now(), elapsed = time - started_;
  if (!shown_ || (time - printed_ < 0.1 && done_ < total_)) return;
  printed_ = time;
  const double rate = static_cast<double>(done_) / std::max(elapsed, 1e-9);
  char line[160];
  std::snprintf(line, sizeof line, "\r%s: %lld of %lld, %.1f/s, %.0f s to go\033[K", what_.c_str(),
                static_cast<long long>(done_), static_cast<long long>(total_), rate,
                static_cast<double>(total_ - done_) / std::max(rate, 1e-9));
  std::cerr << line << std::flush;
}

const InputFile& Job::open(const std::string& path) {
  if (path == "-") {
    if (stdin_taken_) throw Error(ErrorKind::kUsage, "two inputs are standard input, wanted at most one");
    stdin_taken_ = true;
  }
  opened_.push_back(std::make_unique<InputFile>(path));
  return *opened_.back();
}

std::string Job::open_data(const std::string& spec) {
  if (spec == "-") return open(spec).path();
  const std::string path = data_file(spec);
  check_is_file(path, path);
  open(path);
  return spec;
}

void Job::check_inputs() const {
  for (const std::unique_ptr<InputFile>& input : opened_) input->check_unchanged();
}

File Job::read(const std::string& path) {
  const InputFile& input = open(path);
  return read_file(input.path(), input.shown());
}

File Job::read_model(const std::string& path) {
  File file = read(path);
  if (file.format != Format::kModel)
    throw Error(ErrorKind::kInvalid, text(opened_.back()->shown(), ": is ", name_of(file.format), ", wanted ",
                                          name_of(Format::kModel)));
  return file;
}

const Recipe& Job::recipe(std::string_view fallback) {
  if (!recipe_)
    recipe_ = load_recipe(recipes.empty() ? std::vector<std::string>{std::string(fallback)} : recipes);
  return *recipe_;
}

std::vector<HistoryRecord> Job::history(std::vector<HistoryRecord> before) const {
  if (without_history_) return {};
  before.push_back(
      {std::string(tool_->name), Q_VERSION, recipe_ && names_recipe_ ? recipe_->digest : "", arguments_});
  return before;
}

void Job::open_output() {
  if (!out_) out_.emplace(output);
}

void Job::write(File file) {
  file.history = history(std::move(file.history));
  open_output();
  write_file(out_->path(), file, out_->shown());
  check_inputs();
  out_->commit();
}

void Job::say(const std::string& line) const {
  if (!quiet) std::cerr << printable(text(tool_->name, ": ", line)) << '\n';
}

void Job::report(const Changes& changes) const {
  std::map<std::pair<bool, std::string>, int64_t> counts;
  int64_t warnings = 0;
  for (const Change& change : changes) {
    ++counts[{change.warning, change.rule}];
    warnings += change.warning;
    if (verbose) say(text(change.rule, ": ", change.node, ": ", change.detail));
  }
  for (const auto& [kind, count] : counts) {
    const auto& [is_warning, rule] = kind;
    if (!is_warning) {
      say(text(rule, ": ", count));
      continue;
    }
    const auto first = std::find_if(changes.begin(), changes.end(), [&wanted = rule](const Change& c) {
      return c.warning && c.rule == wanted;
    });
    say(text("warning: ", rule, ": ", count, count == 1 ? ": " : ", the first: ", first->node, ": ",
             first->detail));
  }
  if (strict && warnings > 0)
    throw Error(ErrorKind::kInvalid,
                text(warnings, warnings == 1 ? " warning" : " warnings", " under --strict"));
}

Progress Job::progress(std::string_view what, int64_t total) const {
  const bool shown = progress_ == "always" || (progress_ == "auto" && !quiet && isatty(STDERR_FILENO));
  return Progress(text(tool_->name, ": ", what), total, shown);
}

namespace {

ExitStatus parse_and_run(const Tool& tool, Job& job, std::string* progress, bool* without_history,
                         std::string* arguments, int argc, char** argv) {
  int64_t threads = 0;
  std::string max_memory;
  std::vector<Option> options = tool.options;
  for (const Option& option : common_options(job, tool, &threads, &max_memory, progress, without_history))
    options.push_back(option);

  CLI::App app{std::string(tool.summary), std::string(tool.name)};
  app.set_help_flag();
  app.add_option("inputs", job.inputs);
  for (const Option& option : options) declare(app, option);
  // help shows defaults, so it is made before anything is parsed
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto asked = [&](std::string_view flag) {
    return std::find(words.begin(), words.end(), flag) != words.end();
  };
  if (asked("--help")) return print_help(tool, options), kDone;
  if (asked("--describe")) return describe(options), kDone;
  if (asked("--version")) {
    std::cout << tool.name << " (q-tools) " << Q_VERSION << '\n';
    return kDone;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    refuse_command(one_line(error.what()), tool);
  }
  if (job.inputs.empty() && tool.inputs_max > 0) job.inputs.push_back("-");
  if (job.inputs.size() < tool.inputs_min || job.inputs.size() > tool.inputs_max)
    refuse_command(
        text(job.inputs.size(), " operands, wanted ", tool.operands.empty() ? "none" : tool.operands), tool);
  *arguments = recorded_arguments(app, options);
  if (threads < 0 || threads > 4096) refuse_command(text("--threads: ", threads, ", wanted 0 to 4096"), tool);
  try {
    limit_memory(max_memory.empty() ? usual_memory_limit() : parse_memory(max_memory));
  } catch (const Error& error) {
    refuse_command(text("--max-memory: ", error.what()), tool);
  }
  set_threads(static_cast<int>(threads));
  kernels_for(job.isa);  // a wrong name is an error also where nothing is computed
  return tool.run(job);
}

}  // namespace

int tool_main(const Tool& tool, int argc, char** argv) {
  const auto trouble = [&](const std::string& what) {
    std::cerr << printable(text(tool.name, ": ", what)) << '\n';
    return kTrouble;
  };
  hold_standard_streams();
  prepare_for_signals();
  survive_faults(std::string(tool.name));
  give_up_rights();
  try {
    Job job;
    job.tool_ = &tool;
    const ExitStatus status =
        parse_and_run(tool, job, &job.progress_, &job.without_history_, &job.arguments_, argc, argv);
    check_stdout();
    return status;
  } catch (const Error& error) {
    return trouble(error.what());
  } catch (const std::bad_alloc&) {
    return trouble(text("out of memory: the limit is ", memory_words(memory_limit()), " (--max-memory)"));
  } catch (const std::exception& error) {
    return trouble(one_line(error.what()));
  }
}

}  // namespace q
