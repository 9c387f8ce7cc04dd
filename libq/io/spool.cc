#include "io/spool.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "base/stream.h"
#include "base/text.h"
#include "q/error.h"

namespace q {

namespace {

// So small that hundreds of streams fit in memory, so large that the list of blocks is a ten-thousandth of
// the file.
constexpr size_t kBlock = size_t{1} << 16;

[[noreturn]] void fail(const std::string& place) {
  throw Error(ErrorKind::kSystem, text(place, ": ", std::strerror(errno)));
}

}  // namespace

Spool::Spool(std::string folder, std::string shown) : folder_(std::move(folder)), shown_(std::move(shown)) {}

Spool::~Spool() {
  if (fd_ >= 0) close(fd_);
}

size_t Spool::add_stream() {
  streams_.emplace_back();
  return streams_.size() - 1;
}

void Spool::append(size_t stream, std::span<const std::byte> bytes) {
  Stream& to = streams_[stream];
  while (!bytes.empty()) {
    const size_t part = std::min(kBlock - to.tail.size(), bytes.size());
    to.tail.insert(to.tail.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (to.tail.size() == kBlock) spill(to);
  }
}

void Spool::spill(Stream& stream) {
  if (fd_ < 0 && (fd_ = open_nameless(folder_)) < 0) fail(shown_);
  for (size_t done = 0; done < kBlock;) {
    const ssize_t put =
        pwrite(fd_, stream.tail.data() + done, kBlock - done, file_bytes_ + static_cast<int64_t>(done));
    if (put < 0 && errno != EINTR) fail(shown_);
    if (put > 0) done += static_cast<size_t>(put);
  }
  stream.blocks.push_back(file_bytes_);
  stream.tail.clear();
  file_bytes_ += static_cast<int64_t>(kBlock);
}

void Spool::take(size_t stream, size_t size, std::byte* to) {
  Stream& from = streams_[stream];
  while (size > 0) {
    const size_t block = static_cast<size_t>(from.taken / kBlock),
                 offset = static_cast<size_t>(from.taken % kBlock);
    size_t part = std::min(size, kBlock - offset);
    if (block < from.blocks.size()) {
      const ssize_t got = pread(fd_, to, part, from.blocks[block] + static_cast<int64_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail(shown_);
      part = static_cast<size_t>(got);
    } else {
      assert(offset + part <= from.tail.size());
      std::memcpy(to, from.tail.data() + offset, part);
    }
    from.taken += part;
    to += part;
    size -= part;
  }
}

}  // namespace q
