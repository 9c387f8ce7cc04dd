// Outputs at every moment of their making: a process is ended before and after each of its system calls.
#include "base/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <optional>

#include "base/text.h"
#include "scratch_folder.h"

namespace q {
namespace {

constexpr int kNoTrace = 77;

// From now on open(2) knows no files without a name, as on some file systems.
void forbid_nameless() {
  constexpr uint32_t kFlag = static_cast<uint32_t>(O_TMPFILE) & ~static_cast<uint32_t>(O_DIRECTORY);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + 2 * sizeof(uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kFlag, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(kNoTrace);
}

// In a child that is traced: writes the file, and ends.
[[noreturn]] void write_traced(const std::string& path, const std::string& content, bool nameless) {
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kNoTrace);
  prepare_for_signals();
  if (!nameless) forbid_nameless();
  raise(SIGSTOP);
  OutputFile out(path);
  write_content(out.path(), content);
  out.commit();
  _exit(0);
}

// How the child ended to which the signal came when it had stopped `stops` times, before and after its system
// calls; nothing when it had ended by then.
std::optional<int> ended_at(int stops, int signal, pid_t child) {
  int status = 0;
  const auto go_on = [&](__ptrace_request how, int with) {
    ptrace(how, child, nullptr, with);
    waitpid(child, &status, 0);
  };
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return status;
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  for (int i = 0; i < stops && WIFSTOPPED(status); ++i) go_on(PTRACE_SYSCALL, 0);
  if (!WIFSTOPPED(status)) return std::nullopt;
  kill(child, signal);
  while (!WIFEXITED(status) && !WIFSIGNALED(status)) {
    const int stopped_by = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
    go_on(PTRACE_CONT, stopped_by == signal ? signal : 0);
  }
  return status;
}

struct Tally {
  int points = 0, left_behind = 0;
};

// Ends the writing of a file by the signal at every point. What was there, or nothing, or all that is
// written: anything else fails.
Tally end_everywhere(int signal, bool nameless, bool exists) {
  const std::string old_content(1000, 'o'), content(100000, 'n');
  Tally tally;
  for (;; ++tally.points) {
    const ScratchFolder folder;
    const std::string path = folder / "out";
    if (exists) write_content(path, old_content);
    const pid_t child = fork();
    if (child == 0) write_traced(path, content, nameless);
    const std::optional<int> status = ended_at(tally.points, signal, child);
    if (!status) {
      EXPECT_EQ(content_of(path), content);
      return tally;
    }
    if (WIFEXITED(*status) && WEXITSTATUS(*status) == kNoTrace) return {};
    // a signal that is caught may come too late to matter
    EXPECT_TRUE((WIFSIGNALED(*status) && WTERMSIG(*status) == signal) || *status == 0) << *status;
    if (std::filesystem::exists(path)) {
      const std::string found = content_of(path);
      EXPECT_TRUE(found == content || (exists && found == old_content)) << "point " << tally.points;
    } else {
      EXPECT_FALSE(exists) << "point " << tally.points;
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      tally.left_behind += entry.path().filename() != "out";
  }
}

TEST(OutputFile, IsOldOrNewWhereverItIsKilled) {
  const Tally fresh = end_everywhere(SIGKILL, true, false);
  if (fresh.points == 0) GTEST_SKIP() << "processes cannot be traced here";
  EXPECT_GE(fresh.points, 20);
  EXPECT_EQ(fresh.left_behind, 0);
  const Tally replacing = end_everywhere(SIGKILL, true, true);
  EXPECT_GE(replacing.points, 20);
  // between linkat and rename: after the one, and before the other
  EXPECT_EQ(replacing.left_behind, 2);
}

TEST(OutputFile, IsOldOrNewWhereverItIsTerminated) {
  for (bool nameless : {true, false})
    for (bool exists : {true, false}) {
      const Tally tally = end_everywhere(SIGTERM, nameless, exists);
      if (tally.points == 0) GTEST_SKIP() << "processes cannot be traced here";
      EXPECT_GE(tally.points, 20);
      EXPECT_EQ(tally.left_behind, 0) << nameless << exists;
    }
}

TEST(OutputFile, IsOldOrNewWhereFilesNeedNames) {
  for (bool exists : {true, false}) {
    const Tally tally = end_everywhere(SIGKILL, false, exists);
    if (tally.points == 0) GTEST_SKIP() << "processes cannot be traced here";
    EXPECT_GE(tally.points, 20);
    EXPECT_GT(tally.left_behind, 0);  // or the way without a name was taken
  }
}

TEST(InputFile, TellsWhenItHasChanged) {
  const ScratchFolder folder;
  const auto said = [&](const auto& change) -> std::string {
    write_content(folder / "in", "one");
    const InputFile input(folder / "in");
    input.check_unchanged();
    change();
    try {
      input.check_unchanged();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string changed = text(folder / "in", ": changed while it was read");
  EXPECT_EQ(said([] {}), "");
  EXPECT_EQ(said([&] { static_cast<void>(content_of(folder / "in")); }), "");
  EXPECT_EQ(said([&] { write_content(folder / "in", "longer"); }), changed);
  EXPECT_EQ(said([&] {
              write_content(folder / "other", "two");
              std::filesystem::rename(folder / "other", folder / "in");
            }),
            changed);
  EXPECT_EQ(said([&] { std::filesystem::remove(folder / "in"); }), changed);
  // as cp -p does it: only the time of the change cannot be set back
  const auto before = [&] { return std::filesystem::last_write_time(folder / "in"); };
  EXPECT_EQ(said([&] { std::filesystem::last_write_time(folder / "in", before() - std::chrono::hours(1)); }),
            changed);
}

}  // namespace
}  // namespace q
