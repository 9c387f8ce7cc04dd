#include "base/stream.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

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

// Between the making of a name and its being remembered, or given up, a signal has to wait.
std::atomic<bool> handles_name{false};
std::atomic<int> waiting_signal{0};

void end_by(int signal) {
  remove_temporaries();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void on_signal(int signal) {
  if (handles_name)
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

// Does `work` with signals waiting until it is done; its errno stays.
template <typename Work>
auto uninterrupted(const Work& work) {
  handles_name = true;
  const auto result = work();
  const int error = errno;
  handles_name = false;
  if (waiting_signal != 0) end_by(waiting_signal);
  errno = error;
  return result;
}

// For mkostemp; shorter than the longest names, whatever the output is called.
std::string name_to_fill(const std::string& folder) { return folder + "/.q-" + std::string(6, 'X'); }

std::string path_of(int fd) { return text("/proc/self/fd/", fd); }

struct Temporary {
  std::string path;
  int fd;
};

// A new empty file: without a name where there is such a thing and it can be opened by a path, else with one
// that is remembered until it is removed or renamed.
Temporary make_temporary(const std::string& folder, bool gets_name) {
  const int fd =
      gets_name ? open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : open_nameless(folder);
  if (fd >= 0 && access(path_of(fd).c_str(), F_OK) == 0) return {path_of(fd), fd};
  if (fd >= 0) close(fd);
  std::string path = name_to_fill(folder);
  const int named = uninterrupted([&] {
    const int made = mkostemp(path.data(), O_CLOEXEC);
    if (made >= 0) remember(path);
    return made;
  });
  if (named < 0) fail(folder);
  return {path, named};
}

void discard(const Temporary& file) {
  if (file.path == path_of(file.fd)) return;
  unlink(file.path.c_str());
  forget(file.path);
}

// Renames `from` to `to`; -1 with errno.
int move_to(const std::string& from, const std::string& to) {
  return uninterrupted([&] {
    const int result = rename(from.c_str(), to.c_str());
    if (result == 0) forget(from);
    return result;
  });
}

// Gives a file without a name this one, in place of what is called so; -1 with errno.
int link_as(const std::string& nameless, const std::string& folder, const std::string& to) {
  const auto link_to = [&](const std::string& name) {
    return linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW);
  };
  if (link_to(to) == 0) return 0;
  if (errno != EEXIST) return -1;
  // no call links over a name: another one for the moment between two calls
  return uninterrupted([&] {
    std::string between;
    int result = -1, tries = 0;
    do between = text(folder, "/.q-", getpid(), "-", tries);
    while ((result = link_to(between)) != 0 && errno == EEXIST && ++tries < 1000);
    if (result != 0) return result;
    result = rename(between.c_str(), to.c_str());
    const int error = errno;
    if (result != 0) unlink(between.c_str());
    errno = error;
    return result;
  });
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
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

int open_nameless(const std::string& folder) {
  const int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  std::string path = name_to_fill(folder);  // a file system that knows no nameless files
  return uninterrupted([&] {
    const int named = mkostemp(path.data(), O_CLOEXEC);
    if (named >= 0) unlink(path.c_str());
    return named;
  });
}

void check_is_file(const std::string& path, const std::string& shown) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) fail(shown);
  const auto refuse = [&](std::string_view found) {
    throw Error(ErrorKind::kSystem, text(shown, ": is ", found, ", wanted a file"));
  };
  if (S_ISDIR(status.st_mode)) refuse("a folder");
  if (S_ISFIFO(status.st_mode)) refuse("a pipe");
  if (!S_ISREG(status.st_mode)) refuse("a device");
}

void prepare_for_signals() {
  // what the caller ignores stays ignored: nohup relies on it
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    if (std::signal(signal, on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
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
  Descriptor in{is_standard ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (in.fd < 0) fail(shown_);
  if (fstat(in.fd, &opened_) != 0) fail(shown_);
  const auto is = [&](mode_t kind) { return (opened_.st_mode & S_IFMT) == kind; };
  if (is(S_IFDIR)) throw Error(ErrorKind::kSystem, text(shown_, ": is a folder, wanted a file"));
  if (isatty(in.fd)) throw Error(ErrorKind::kUsage, text(shown_, ": is a terminal, wanted a file or a pipe"));
  // others may have no end; the null device is merely empty
  if ((is(S_IFCHR) || is(S_IFBLK)) && opened_.st_rdev != makedev(1, 3))
    throw Error(ErrorKind::kSystem, text(shown_, ": is a device, wanted a file or a pipe"));
  if (is(S_IFREG)) {
    if (is_standard) path_ = text("/dev/fd/", STDIN_FILENO);
    fd_ = std::exchange(in.fd, -1);
    if (opened_.st_size > 0) return;
    if (!is_standard) close(fd_);
  } else {
    const Temporary copy = make_temporary(temporary_folder(), false);
    Descriptor out{copy.fd};
    try {
      if (pour(in.fd, shown_, out.fd, temporary_folder()) > 0) {
        path_ = copy.path;
        fd_ = std::exchange(out.fd, -1);
        temporary_ = true;
        return;
      }
    } catch (...) {
      discard(copy);
      throw;
    }
    discard(copy);
  }
  throw Error(ErrorKind::kInvalid,
              text(shown_, is_standard ? " is empty: did the command before it fail?" : ": is empty"));
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      shown_(std::move(other.shown_)),
      fd_(std::exchange(other.fd_, -1)),
      opened_(other.opened_),
      temporary_(std::exchange(other.temporary_, false)) {}

InputFile::~InputFile() {
  if (temporary_) discard({path_, fd_});
  if (fd_ > STDERR_FILENO) close(fd_);
}

void InputFile::check_unchanged() const {
  if (temporary_) return;
  struct stat now, named;
  if (fstat(fd_, &now) != 0) fail(shown_);
  const auto same_time = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  // what was read by the name may be another file that has taken it
  const bool same_file =
      stat(path_.c_str(), &named) == 0 && named.st_dev == now.st_dev && named.st_ino == now.st_ino;
  if (!same_file || now.st_size != opened_.st_size || !same_time(now.st_mtim, opened_.st_mtim) ||
      !same_time(now.st_ctim, opened_.st_ctim))
    throw Error(ErrorKind::kInvalid, text(shown_, ": changed while it was read"));
}

OutputFile::OutputFile(const std::string& path)
    : target_(path), shown_(path == "-" ? "standard output" : path) {
  struct stat status;
  const bool exists = path != "-" && stat(path.c_str(), &status) == 0;
  if (path != "-" && !exists) {
    if (errno != ENOENT) fail(shown_);
    // to replace the link would surprise, and to make what it names may be what somebody waits for
    if (lstat(path.c_str(), &status) == 0)
      throw Error(ErrorKind::kSystem, text(path, ": not writing through dangling symlink"));
  }
  if (exists && S_ISDIR(status.st_mode))
    throw Error(ErrorKind::kSystem, text(path, ": is a folder, wanted a file"));
  if (path == "-" && isatty(STDOUT_FILENO))
    throw Error(ErrorKind::kUsage, "standard output is a terminal: give -o FILE or redirect it");
  const std::string real = exists && S_ISREG(status.st_mode) ? follow_links(path) : "";
  pours_ = path == "-" || (exists && real.empty());
  if (!pours_ && exists) target_ = real;
  try {
    const Temporary made = make_temporary(pours_ ? temporary_folder() : folder_of(target_), !pours_);
    path_ = made.path;
    fd_ = made.fd;
  } catch (const Error&) {
    if (pours_) throw;
    fail(shown_);
  }
}

OutputFile::~OutputFile() {
  if (!done_) discard({path_, fd_});
  close(fd_);
}

void OutputFile::commit() {
  if (pours_) {
    const Descriptor out{target_ == "-" ? STDOUT_FILENO
                                        : open(target_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)};
    if (out.fd < 0) fail(shown_);
    pour(fd_, temporary_folder(), out.fd, shown_);
    return;
  }
  // it was made readable for the owner alone: give it what it replaces has, or what a plain creation would
  // have given
  struct stat before;
  const mode_t mask = umask(0);
  umask(mask);
  const mode_t mode = stat(target_.c_str(), &before) == 0 ? before.st_mode & 0777 : 0666 & ~mask;
  if (fchmod(fd_, mode) != 0 || fsync(fd_) != 0) fail(shown_);
  const bool is_nameless = path_ == path_of(fd_);
  if ((is_nameless ? link_as(path_, folder_of(target_), target_) : move_to(path_, target_)) != 0)
    fail(shown_);
}

}  // namespace q
