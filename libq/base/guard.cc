#include "base/guard.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/stream.h"

namespace q {

namespace {

constexpr int kTrouble = 2;  // as all tools end

std::array<char, 64> tool_name;
std::atomic<int> most_seconds;
std::atomic<int> depth{0};          // of Readings
std::atomic<uint32_t> readings{0};  // begun so far
std::array<char, 512> file_name;    // of the outermost
alignas(16) std::array<std::byte, 1 << 16> handler_stack;

[[noreturn]] void end_reading(const char* why) {
  remove_temporaries();
  std::array<char, 1024> line;
  size_t size = 0;
  for (const char* part :
       {static_cast<const char*>(tool_name.data()), ": ", static_cast<const char*>(file_name.data()),
        ": reading it ", why, ": the file is damaged\n"})
    for (; *part != 0 && size < line.size(); ++part) line[size++] = *part;
  static_cast<void>(!write(STDERR_FILENO, line.data(), size));
  _exit(kTrouble);
}

// It stands once: the second time the signal does what it did before.
void on_fault(int signal) {
  if (depth > 0) end_reading("ended in a fault");
  remove_temporaries();
  std::raise(signal);
}

// Comes with every second of processor time.
void on_second(int) {
  static std::atomic<uint32_t> seen;
  static std::atomic<int> seconds;
  if (depth == 0 || seen.exchange(readings) != readings)
    seconds = 0;
  else if (++seconds >= most_seconds)
    end_reading("took too long in one step");
}

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

template <size_t size>
void copy(const std::string& from, std::array<char, size>& to) {
  const size_t count = std::min(from.size(), size - 1);
  std::memcpy(to.data(), from.data(), count);
  to[count] = 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kConfines = false;  // their last look at the process traces it
#else
constexpr bool kConfines = true;
#endif

}  // namespace

// clone3, whose arguments no filter sees, fails with ENOSYS, upon which libc calls clone.
void give_up_rights() {
  if (!kConfines) return;
#ifdef __x86_64__
  constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#else
  constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif
  constexpr uint32_t kForbidden[] = {
      SYS_socket,
      SYS_socketpair,
      SYS_connect,
      SYS_bind,
      SYS_listen,
      SYS_execve,
      SYS_execveat,
      SYS_ptrace,
      SYS_process_vm_readv,
      SYS_process_vm_writev,
      SYS_mount,
      SYS_unshare,
      SYS_setns,
#ifdef SYS_fork
      SYS_fork,
      SYS_vfork,
#endif
  };
  constexpr auto kAllow = SECCOMP_RET_ALLOW, kDeny = SECCOMP_RET_ERRNO | EPERM,
                 kUnknown = SECCOMP_RET_ERRNO | ENOSYS;
  std::array<sock_filter, 16 + 2 * std::size(kForbidden)> code;
  unsigned short size = 0;
  const auto load = [&](size_t offset) {
    code[size++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  const auto jump = [&](uint32_t value, uint8_t if_equal, uint8_t if_not) {
    code[size++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, if_equal, if_not);
  };
  const auto end = [&](uint32_t action) { code[size++] = BPF_STMT(BPF_RET | BPF_K, action); };
  load(offsetof(seccomp_data, arch));
  jump(kArchitecture, 1, 0);
  end(kDeny);
  load(offsetof(seccomp_data, nr));
  for (const uint32_t call : kForbidden) {
    jump(call, 0, 1);
    end(kDeny);
  }
  jump(SYS_clone3, 0, 1);
  end(kUnknown);
  jump(SYS_clone, 1, 0);
  end(kAllow);
  load(offsetof(seccomp_data, args));  // the lower half of the flags: little-endian
  code[size++] = BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0);
  end(kDeny);
  end(kAllow);
  const sock_fprog program = {size, code.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

void survive_faults(const std::string& name, int seconds) {
  copy(name, tool_name);
  most_seconds = seconds;
  stack_t stack{};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  sigaltstack(&stack, nullptr);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    handle(signal, on_fault, SA_ONSTACK | SA_RESETHAND);
  handle(SIGPROF, on_second, SA_ONSTACK | SA_RESTART);
  const itimerval second = {{1, 0}, {1, 0}};
  setitimer(ITIMER_PROF, &second, nullptr);
}

Reading::Reading(const std::string& shown) {
  if (depth++ > 0) return;
  ++readings;
  copy(shown, file_name);
}

Reading::~Reading() { --depth; }

}  // namespace q
