#include "base/stream.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "q/error.h"

namespace q {

namespace {

// Names of live temporaries where a signal handler can reach them: fixed storage, claimed by a flag.
struct Slot {
  std::atomic<bool> used{false};
  std::array<char, PATH_MAX> path{};
};
std::array<Slot, 16> temporaries;

void remember(const std::string& path) {
  for (Slot& slot : temporaries) {
    if (slot.used || path.size() >= slot.path.size()) continue;
    std::strcpy(slot.path.data(), path.c_str());
    slot.used = true;
    return;
  }
}

void forget(const std::string& path) {
  for (Slot& slot : temporaries)
    if (slot.used && path == slot.path.data()) slot.used = false;
}

// Between the making of a temporary and its being remembered a signal has to wait.
std::atomic<bool> makes_temporary{false};
std::atomic<int> waiting_signal{0};

void end_by(int signal) {
  remove_temporaries();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void on_signal(int signal) {
  if (makes_temporary)
    waiting_signal = signal;
  else
    end_by(signal);
}

[[noreturn]] void fail(const std::string& place) {
  throw Error(ErrorKind::kSystem, text(place, ": ", std::strerror(errno)));
}

// Closes on every way out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd > STDERR_FILENO) close(fd);
  }
};

// A new empty file, remembered until it is removed or renamed.
std::string make_temporary(const std::string& folder, const std::string& stem) {
  std::string path = folder + "/" + stem + ".XXXXXX";
  makes_temporary = true;
  const Descriptor made{mkstemp(path.data())};
  const int error = errno;
  if (made.fd >= 0) remember(path);
  makes_temporary = false;
  if (waiting_signal != 0) end_by(waiting_signal);
  errno = error;
  if (made.fd < 0) fail(folder);
  return path;
}

void discard(const std::string& path) {
  unlink(path.c_str());
  forget(path);
}

// Everything from one descriptor to another; the number of bytes. The names are for messages.
size_t pour(int from, const std::string& from_name, int to, const std::string& to_name) {
  size_t total = 0;
  bool kernel_copies = true;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    ssize_t got;
    if (kernel_copies) {
      got = sendfile(to, from, nullptr, size_t{1} << 30);
      // the source is a pipe, the target takes no sendfile, or there is trouble: read and write tell on which
      // side
      if (got < 0 && errno != EINTR) {
        kernel_copies = false;
        continue;
      }
    } else {
      got = read(from, buffer.data(), buffer.size());
      for (ssize_t done = 0; done < got;) {
        const ssize_t put = write(to, buffer.data() + done, static_cast<size_t>(got - done));
        if (put < 0 && errno != EINTR) fail(to_name);
        if (put > 0) done += put;
      }
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(from_name);
    if (got == 0) return total;
    total += static_cast<size_t>(got);
  }
}

// Where a path leads through symbolic links: a rename would replace the link itself. Empty when it leads to
// no name, as /dev/stdout may.
std::string follow_links(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), std::free);
  return real == nullptr ? "" : real.get();
}

}  // namespace

std::string temporary_folder() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

void remove_temporaries() {
  for (Slot& slot : temporaries)
    if (slot.used) unlink(slot.path.data());
}

void remove_temporaries_on_signals() {
  // what the caller ignores stays ignored: nohup relies on it
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    if (std::signal(signal, on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
}

void hold_standard_streams() {
  // in ascending order, so that the lowest free descriptor is the one that was missing
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0)
      static_cast<void>(open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

InputFile::InputFile(const std::string& path) : path_(path), shown_(path) {
  const bool is_standard = path == "-";
  if (is_standard) shown_ = "standard input";
  const Descriptor in{is_standard ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (in.fd < 0) fail(shown_);
  struct stat status;
  if (fstat(in.fd, &status) != 0) fail(shown_);
  if (S_ISDIR(status.st_mode)) throw Error(ErrorKind::kSystem, text(shown_, ": is a folder, wanted a file"));
  if (isatty(in.fd)) throw Error(ErrorKind::kUsage, text(shown_, ": is a terminal, wanted a file or a pipe"));
  if (S_ISREG(status.st_mode)) {
    if (is_standard) path_ = text("/dev/fd/", STDIN_FILENO);
    if (status.st_size > 0) return;
  } else {
    path_ = make_temporary(temporary_folder(), "q");
    temporary_ = true;
    try {
      const Descriptor out{open(path_.c_str(), O_WRONLY | O_CLOEXEC)};
      if (out.fd < 0) fail(path_);
      if (pour(in.fd, shown_, out.fd, path_) > 0) return;
    } catch (...) {
      discard(path_);
      throw;
    }
    discard(path_);
  }
  throw Error(ErrorKind::kInvalid,
              text(shown_, is_standard ? " is empty: did the command before it fail?" : ": is empty"));
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), shown_(std::move(other.shown_)), temporary_(other.temporary_) {
  other.temporary_ = false;
}

InputFile::~InputFile() {
  if (temporary_) discard(path_);
}

OutputFile::OutputFile(const std::string& path)
    : target_(path), shown_(path == "-" ? "standard output" : path) {
  struct stat status;
  const bool exists = path != "-" && stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    throw Error(ErrorKind::kSystem, text(path, ": is a folder, wanted a file"));
  if (path == "-" && isatty(STDOUT_FILENO))
    throw Error(ErrorKind::kUsage, "standard output is a terminal: give -o FILE or redirect it");
  const std::string real = exists && S_ISREG(status.st_mode) ? follow_links(path) : "";
  pours_ = path == "-" || (exists && real.empty());
  if (pours_) {
    path_ = make_temporary(temporary_folder(), "q");
    return;
  }
  if (exists) target_ = real;
  const size_t slash = target_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : target_.substr(0, slash);
  try {
    path_ = make_temporary(folder, "." + target_.substr(slash == std::string::npos ? 0 : slash + 1));
  } catch (const Error&) {
    fail(shown_);
  }
}

OutputFile::~OutputFile() {
  if (!done_) discard(path_);
}

void OutputFile::commit() {
  const Descriptor in{open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  if (in.fd < 0) fail(path_);
  if (pours_) {
    const Descriptor out{target_ == "-" ? STDOUT_FILENO
                                        : open(target_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)};
    if (out.fd < 0) fail(shown_);
    pour(in.fd, path_, out.fd, shown_);
    discard(path_);
  } else {
    // mkstemp made it readable for the owner alone: give it what a plain creation would have given
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(in.fd, 0666 & ~mask) != 0 || fsync(in.fd) != 0) fail(shown_);
    if (rename(path_.c_str(), target_.c_str()) != 0) fail(shown_);
    forget(path_);
  }
  done_ = true;
}

}  // namespace q
