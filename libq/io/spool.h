// Streams of bytes that grow side by side until each is read back from its beginning: in memory as far as
// they are short, else in one temporary file without a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace q {

class Spool {
 public:
  // folder: where the temporary goes when one is needed. `shown` starts messages.
  Spool(std::string folder, std::string shown);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();

  // The number of a new, empty stream.
  size_t add_stream();
  // Throws when the system refuses.
  void append(size_t stream, std::span<const std::byte> bytes);
  // The next `size` bytes of a stream, from its beginning on. Precondition: it has them, and is not appended
  // to any more.
  void take(size_t stream, size_t size, std::byte* to);

 private:
  struct Stream {
    std::vector<int64_t> blocks;  // offsets in the file
    std::vector<std::byte> tail;  // what follows them; shorter than a block
    uint64_t taken = 0;
  };
  void spill(Stream& stream);

  std::string folder_, shown_;
  std::vector<Stream> streams_;
  int fd_ = -1;
  int64_t file_bytes_ = 0;
};

}  // namespace q
