// What a fault or a loop within a Reading comes to.
#include "base/guard.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/stream.h"
#include "scratch_folder.h"

namespace q {
namespace {

// Takes more stack than there is.
[[maybe_unused]] int descend(volatile int* depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(*depth);
  *depth = *depth + 1;
  return *depth < 10'000'000 ? descend(depth) + frame[0] : 0;
}

void fault(int signal) {
  survive_faults("tool");
  const Reading reading("file.h5");
  std::raise(signal);
}

TEST(GuardDeathTest, AFaultWithinAReadingIsALineAndStatus2) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    EXPECT_EXIT(fault(signal), testing::ExitedWithCode(2),
                "^tool: file.h5: reading it ended in a fault: the file is damaged\n$");
}

TEST(GuardDeathTest, AFaultElsewhereIsWhatItWas) {
  const auto after = [] {
    survive_faults("tool");
    { const Reading reading("file.h5"); }
    std::raise(SIGSEGV);
  };
  EXPECT_EXIT(after(), testing::KilledBySignal(SIGSEGV), "^$");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they have handlers of their own
TEST(GuardDeathTest, AStackThatRanOutIsSurvived) {
  const auto overflow = [] {
    survive_faults("tool");
    const Reading reading("file.h5");
    volatile int depth = 0;
    std::exit(descend(&depth));
  };
  EXPECT_EXIT(overflow(), testing::ExitedWithCode(2), "reading it ended in a fault");
}

#ifdef __x86_64__  // QEMU, in which the tests of other processors run, has no filters
TEST(GuardDeathTest, ReadingCannotReachOutOfTheProcess) {
  const auto reach = [] {
    give_up_rights();
    const bool shut = socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM && fork() < 0 && errno == EPERM &&
                      execl("/bin/true", "true", static_cast<char*>(nullptr)) < 0 && errno == EPERM;
    int threads = 0;
    std::thread([&] { ++threads; }).join();
    std::exit(shut && threads == 1 ? 0 : 1);
  };
  EXPECT_EXIT(reach(), testing::ExitedWithCode(0), "");
}
#endif
#endif

TEST(GuardDeathTest, AStepWithoutEndIsEnded) {
  const auto loop = [] {
    survive_faults("tool", 1);
    const Reading reading("file.h5");
    for (volatile int i = 0;;) i = i + 1;
  };
  EXPECT_EXIT(loop(), testing::ExitedWithCode(2),
              "^tool: file.h5: reading it took too long in one step: the file is damaged\n$");
}

TEST(GuardDeathTest, ManyShortReadingsMayTakeLong) {
  const auto read = [] {
    survive_faults("tool", 1);
    const clock_t start = std::clock();
    while (std::clock() - start < 3 * CLOCKS_PER_SEC) const Reading reading("file.h5");
    std::exit(0);
  };
  EXPECT_EXIT(read(), testing::ExitedWithCode(0), "^$");
}

TEST(GuardDeathTest, NoTemporaryIsLeft) {
  const ScratchFolder folder;
  const auto fault_while_writing = [&] {
    survive_faults("tool");
    const OutputFile out(folder / "out.h5");
    const Reading reading("file.h5");
    std::raise(SIGSEGV);
  };
  EXPECT_EXIT(fault_while_writing(), testing::ExitedWithCode(2), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace q
