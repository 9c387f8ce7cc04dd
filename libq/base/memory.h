// How much memory a process may take.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "q/error.h"

namespace q {

// Of a process that says nothing else: half of what the machine, or its control group, has, and at most 4
// GiB.
Q_API uint64_t usual_memory_limit();
// Sets the limit of this process; what would leave it fails with std::bad_alloc (RLIMIT_DATA, where the
// system has it). Call before there are threads.
Q_API void limit_memory(uint64_t bytes);
// What was set; no limit before.
Q_API uint64_t memory_limit();
// Throws, without a place, when that many bytes at once would leave the limit.
Q_API void check_memory(uint64_t bytes);

// "4G", "512M", "64k" or a number of bytes, in powers of 1024. Throws on anything else, and on 0.
Q_API uint64_t parse_memory(std::string_view words);
// "3.7 GiB"
Q_API std::string memory_words(uint64_t bytes);

}  // namespace q
