// Paths, pipes and temporaries: `-` is a standard stream, input is always seekable, output appears whole or
// not at all.
#pragma once

#include <sys/stat.h>

#include <string>

#include "q/error.h"

namespace q {

// An input that can be opened by name. A pipe is first moved to a temporary file, which lives as long as this
// object.
class Q_API InputFile {
 public:
  // path: a file, or "-" for standard input. Throws when it cannot be read, is a terminal or another device,
  // or is empty.
  explicit InputFile(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();
  const std::string& path() const { return path_; }    // to open
  const std::string& shown() const { return shown_; }  // for messages: as given, or "standard input"
  // Throws when the file is no longer what was opened: what has been read of it may be parts of two files.
  void check_unchanged() const;

 private:
  std::string path_, shown_;
  int fd_ = -1;  // of the file, or of the temporary
  struct stat opened_ {};
  bool temporary_ = false;
};

// An output under construction. Until commit() nothing is seen of it; the destructor, and a signal, remove
// it. Where the system has files without a name it is one, of which nothing is left even by SIGKILL.
class Q_API OutputFile {
 public:
  // path: where it goes, or "-" for standard output; links are followed. Throws when the directory does not
  // exist or cannot be written, the link leads to nothing, or standard output is a terminal.
  explicit OutputFile(const std::string& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();
  const std::string& path() const { return path_; }    // to write to, until commit
  const std::string& shown() const { return shown_; }  // for messages: as given, or "standard output"
  // Puts it in its place (synced first), with the permissions of what was there, or pours it to standard
  // output. Throws when the system refuses.
  void commit();

 private:
  std::string path_, target_, shown_;
  int fd_ = -1;
  bool pours_ = false, done_ = false;
};

// Removes temporaries when SIGINT, SIGTERM or SIGHUP ends the process, and then ends it by that signal; a
// file that grows too large fails to be written instead of ending it by SIGXFSZ. Call once from main.
Q_API void prepare_for_signals();
// Removes temporaries now. May be called from a handler of any signal.
Q_API void remove_temporaries();
// Gives a closed standard stream a descriptor that refuses all use: else the next file opened would be taken
// for it. Call once from main, before anything is opened.
Q_API void hold_standard_streams();
// The temporaries of an ended write: folder of $TMPDIR, or /tmp.
Q_API std::string temporary_folder();
// A descriptor of a new empty file in that folder, of which nothing is left however the process ends; -1 with
// errno.
int open_nameless(const std::string& folder);
// Throws unless the path leads to a file, before anything waits for a pipe or reads a device. `shown` names
// it in messages.
void check_is_file(const std::string& path, const std::string& shown);

}  // namespace q
