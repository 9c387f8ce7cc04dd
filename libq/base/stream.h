// Paths, pipes and temporaries: `-` is a standard stream, input is always seekable, output appears whole or
// not at all.
#pragma once

#include <string>

#include "q/error.h"

namespace q {

// An input that can be opened by name. A pipe is first moved to a temporary file, which lives as long as this
// object.
class Q_API InputFile {
 public:
  // path: a file, or "-" for standard input. Throws when it cannot be read, is a terminal or is empty.
  explicit InputFile(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();
  const std::string& path() const { return path_; }    // to open
  const std::string& shown() const { return shown_; }  // for messages: as given, or "standard input"

 private:
  std::string path_, shown_;
  bool temporary_ = false;
};

// An output under construction. Until commit() nothing is seen of it; the destructor, and a signal, remove
// it.
class Q_API OutputFile {
 public:
  // path: where it goes, or "-" for standard output; links are followed. Throws when the directory does not
  // exist or cannot be written, or standard output is a terminal.
  explicit OutputFile(const std::string& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();
  const std::string& path() const { return path_; }    // to write to, until commit
  const std::string& shown() const { return shown_; }  // for messages: as given, or "standard output"
  // Renames it onto its place (synced first) or pours it to standard output. Throws when the system refuses.
  void commit();

 private:
  std::string path_, target_, shown_;
  bool pours_ = false, done_ = false;
};

// Removes temporaries when SIGINT, SIGTERM or SIGHUP ends the process, and then ends it by that signal. Call
// once from main.
Q_API void remove_temporaries_on_signals();
// Removes them now. May be called from a handler of any signal.
Q_API void remove_temporaries();
// Gives a closed standard stream a descriptor that refuses all use: else the next file opened would be taken
// for it. Call once from main, before anything is opened.
Q_API void hold_standard_streams();
// The temporaries of an ended write: folder of $TMPDIR, or /tmp.
Q_API std::string temporary_folder();

}  // namespace q
