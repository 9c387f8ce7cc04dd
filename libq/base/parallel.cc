#include "base/parallel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

namespace q {

namespace {

std::atomic<int> configured{0};

constexpr int64_t kMostThreads = 256;
// How long a thread looks for the next loop before it sleeps: longer than the gap between two steps or two
// batches of a model, because to wake it takes as long as many a step.
constexpr std::chrono::microseconds kPatience{1000};
constexpr int kRounds = 1000;  // of looking, between two looks at the clock

// One call of parallel_range.
struct Loop {
  // Indices from `next` on that nobody has begun.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void (*body)(const void*, int64_t) = nullptr;
  const void* context = nullptr;
  int64_t threads = 0;
  std::array<Share, kMostThreads> shares;

  void set(int64_t count, int64_t thread_count, void (*each)(const void*, int64_t), const void* with) {
    body = each;
    context = with;
    threads = thread_count;
    for (int64_t t = 0; t < threads; ++t) {
      Share& share = shares[static_cast<size_t>(t)];
      share.next.store(count * t / threads, std::memory_order_relaxed);
      share.end = count * (t + 1) / threads;
    }
  }

  // A thread begins with its own share, the same one in every loop, because what it wrote in the loop before
  // is in its cache; then it helps the others.
  void work(int64_t thread) {
    for (int64_t turn = 0; turn < threads; ++turn) {
      Share& share = shares[static_cast<size_t>((thread + turn) % threads)];
      for (;;) {
        const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        body(context, i);
      }
    }
  }
};

// Threads that wait for loops. A loop waits for those that have begun to work on it, never for one that has
// not been given a core: on a busy machine the caller then does it all. Threads are never joined, so that a
// process can end, or fork, at any time.
class Pool {
 public:
  // False when another loop is running: that of another caller, or one whose body this is.
  bool run(int64_t count, int64_t threads, void (*body)(const void*, int64_t), const void* context) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    start(threads - 1);
    loop_.set(count, threads, body, context);
    // closed and empty until here: the next epoch opens the loop
    state_.store((state_.load(std::memory_order_relaxed) & ~(kClosed | kInside)) + kEpoch,
                 std::memory_order_release);
    state_.notify_all();
    loop_.work(0);
    state_.fetch_or(kClosed, std::memory_order_relaxed);
    for (int round = 0; (state_.load(std::memory_order_acquire) & kInside) != 0; ++round)
      if (round > kRounds) std::this_thread::yield();  // to the thread that has been interrupted in its work
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  // The number of the loop, whether it takes no more threads, and how many work on it.
  static constexpr uint64_t kInside = (uint64_t{1} << 16) - 1, kClosed = uint64_t{1} << 16,
                            kEpoch = uint64_t{1} << 17;

  // As many as the system gives: a loop is finished by those there are.
  void start(int64_t helpers) {
    try {
      for (; started_ < helpers; ++started_)
        std::thread([this, thread = started_ + 1] { wait_for_loops(thread); }).detach();
    } catch (const std::system_error&) {
    }
  }

  void wait_for_loops(int64_t thread) {
    uint64_t seen = kClosed;
    for (;;) {
      seen = next_epoch(seen);
      if (!enter(seen)) continue;
      if (thread < loop_.threads) loop_.work(thread);
      state_.fetch_sub(1, std::memory_order_release);
    }
  }

  // The state once its epoch is another one than that of `seen`.
  uint64_t next_epoch(uint64_t seen) const {
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      uint64_t state = seen;
      for (int round = 0; round < kRounds; ++round) {
        state = state_.load(std::memory_order_relaxed);
        if (state / kEpoch != seen / kEpoch) return state;
      }
      if (std::chrono::steady_clock::now() - start > kPatience)
        state_.wait(state, std::memory_order_relaxed);
      else
        std::this_thread::yield();  // should this be the core of the thread that makes the loops
    }
  }

  // False when the loop of this epoch is over. Acquires what the caller of run wrote.
  bool enter(uint64_t state) {
    const uint64_t epoch = state / kEpoch;
    while (state / kEpoch == epoch && (state & kClosed) == 0) {
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  std::atomic_flag busy_;
  int64_t started_ = 0;
  Loop loop_;
  alignas(64) std::atomic<uint64_t> state_{kClosed};
};

Pool& pool() {
  static Pool& pool = *new Pool;  // threads may outlive every static object
  return pool;
}

}  // namespace

void set_thread_count(int count) { configured = count; }
int thread_count() {
  static const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int count = configured.load(std::memory_order_relaxed);
  return count > 0 ? count : cores;
}

void parallel_range(int64_t count, void (*body)(const void*, int64_t), const void* context) {
  const int64_t threads = std::min<int64_t>({thread_count(), count, kMostThreads});
  if (threads > 1 && pool().run(count, threads, body, context)) return;
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

}  // namespace q
