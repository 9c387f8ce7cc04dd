#include "base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <limits>

#include "base/text.h"

namespace q {

namespace {

constexpr uint64_t kUsual = uint64_t{4} << 30;
uint64_t limit = std::numeric_limits<uint64_t>::max();

// The limit of the control group; none where there is no such file, or it says "max".
uint64_t group_memory() {
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    uint64_t bytes = 0;
    if (std::ifstream(path) >> bytes) return bytes;
  }
  return std::numeric_limits<uint64_t>::max();
}

}  // namespace

uint64_t usual_memory_limit() {
  const uint64_t pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES))),
                 all = std::min(pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)), group_memory());
  return std::min(all / 2, kUsual);
}

void limit_memory(uint64_t bytes) {
  limit = bytes;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they map what they never use
  rlimit now{};
  if (getrlimit(RLIMIT_DATA, &now) != 0) return;
  now.rlim_cur = std::min<rlim_t>(bytes, now.rlim_max);
  setrlimit(RLIMIT_DATA, &now);
#endif
}

uint64_t memory_limit() { return limit; }

void check_memory(uint64_t bytes) {
  if (bytes > limit)
    throw Error(ErrorKind::kSystem, text("needs ", memory_words(bytes), " of memory, the limit is ",
                                         memory_words(limit), " (--max-memory)"));
}

uint64_t parse_memory(std::string_view words) {
  constexpr std::string_view kUnits = "kMGT";
  std::string_view digits = words;
  int shift = 0;
  if (!words.empty()) {
    const size_t unit = words.back() == 'K' ? 0 : kUnits.find(words.back());
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      digits.remove_suffix(1);
    }
  }
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc() || end != digits.data() + digits.size() || count == 0 ||
      count > std::numeric_limits<uint64_t>::max() >> shift)
    throw Error(ErrorKind::kUsage, text("\"", words, "\", wanted a size as 500M or 4G"));
  return count << shift;
}

std::string memory_words(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  char out[32];
  std::snprintf(out, sizeof out, unit == 0 ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return out;
}

}  // namespace q
