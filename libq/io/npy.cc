#include "io/npy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace q {

namespace {

constexpr size_t kLongestHeader = 1 << 16;

// Bytes of known number, wherever they come from. Throws when they cannot be had.
struct Source {
  std::string place;  // "a.npz: x"
  uint64_t size = 0;
  std::function<void(uint64_t offset, size_t size, std::byte* to)> read;
};

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw Error(ErrorKind::kInvalid, text(place, ": ", what));
}

// ---- the header: a dictionary as Python prints it ----

struct Header {
  std::string type;  // "<f4"; empty for records
  bool is_fortran = false;
  Shape shape;
};

class HeaderParser {
 public:
  HeaderParser(std::string_view words, const std::string& place) : rest_(words), place_(place) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = parse_string();
      expect(':');
      if (key == "descr")
        header.type = parse_type();
      else if (key == "fortran_order")
        header.is_fortran = parse_bool();
      else if (key == "shape")
        header.shape = parse_shape();
      else
        fail();
      ++keys_;
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (keys_ != 3) fail();
    return header;
  }

 private:
  [[noreturn]] void fail() const { refuse(place_, "the header is not one of .npy"); }

  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }

  bool accept(char wanted) {
    skip_spaces();
    if (rest_.empty() || rest_[0] != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail();
  }

  bool accept_word(std::string_view word) {
    skip_spaces();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::string parse_string() {
    expect('\'');
    const size_t end = rest_.find('\'');
    if (end == std::string_view::npos) fail();
    std::string out(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return out;
  }

  // A list describes the fields of records.
  std::string parse_type() {
    if (!accept('[')) return parse_string();
    for (int depth = 1; depth > 0; rest_.remove_prefix(1)) {
      if (rest_.empty()) fail();
      depth += (rest_[0] == '[') - (rest_[0] == ']');
    }
    return "";
  }

  bool parse_bool() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail();
    return false;
  }

  Shape parse_shape() {
    std::vector<int64_t> extents;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      int64_t extent = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc() || extent < 0) fail();
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      extents.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    if (extents.size() > kMaxRank)
      refuse(place_, text("rank ", extents.size(), ", wanted at most ", kMaxRank));
    return make_shape(extents);
  }

  std::string_view rest_;
  const std::string& place_;
  int keys_ = 0;
};

// Where the elements begin, and what they are. Versions differ in the width of the header's length.
struct Layout {
  Header header;
  uint64_t begin = 0;
};

Layout read_layout(const Source& source) {
  std::array<unsigned char, 12> start{};
  const auto* magic = reinterpret_cast<const char*>(start.data());
  if (source.size < start.size()) refuse(source.place, "is cut off");
  source.read(0, start.size(), reinterpret_cast<std::byte*>(start.data()));
  if (std::memcmp(magic, "\x93NUMPY", 6) != 0) refuse(source.place, "is not .npy");
  const int version = start[6];
  if (version < 1 || version > 3) refuse(source.place, text(".npy version ", version, ", wanted 1 to 3"));
  size_t length = start[8] | start[9] << 8;
  if (version > 1) length |= static_cast<size_t>(start[10]) << 16 | static_cast<size_t>(start[11]) << 24;
  const uint64_t begin = version > 1 ? 12 : 10;
  if (length > kLongestHeader) refuse(source.place, "the header is not one of .npy");
  if (source.size < begin + length) refuse(source.place, "is cut off");
  std::string words(length, '\0');
  source.read(begin, length, reinterpret_cast<std::byte*>(words.data()));
  return {HeaderParser(words, source.place).parse(), begin + length};
}

// ---- elements ----

template <typename From, typename To>
void widen(std::byte* data, size_t count) {
  for (size_t i = count; i-- > 0;) {  // backwards: the wide ones overwrite the narrow
    From from;
    std::memcpy(&from, data + i * sizeof(From), sizeof(From));
    const To to = from;
    std::memcpy(data + i * sizeof(To), &to, sizeof(To));
  }
}

// IEEE binary16 to binary32, which holds all its values.
void widen_halves(std::byte* data, size_t count) {
  for (size_t i = count; i-- > 0;) {  // backwards, as above
    uint16_t half;
    std::memcpy(&half, data + i * sizeof(half), sizeof(half));
    const uint32_t sign = uint32_t{half} >> 15 << 31, exponent = half >> 10 & 31, fraction = half & 1023;
    uint32_t bits = (exponent + 127 - 15) << 23 | fraction << 13;
    if (exponent == 31) bits |= 0x7f800000u;  // infinity and NaN
    if (exponent == 0) bits = std::bit_cast<uint32_t>(static_cast<float>(fraction) * 0x1p-24f);  // subnormal
    bits |= sign;
    std::memcpy(data + i * sizeof(bits), &bits, sizeof(bits));
  }
}

void make_booleans(std::byte* data, size_t count) {
  for (size_t i = 0; i < count; ++i) data[i] = std::byte{data[i] != std::byte{0}};
}

struct ElementType {
  std::string_view name;
  size_t bytes;
  DType dtype;
  void (*finish)(std::byte* data,
                 size_t count);  // from the file's elements to ours, in place; null: they are alike
};
constexpr ElementType kElementTypes[] = {
    {"<f4", 4, DType::kF32, nullptr},
    {"<f8", 8, DType::kF64, nullptr},
    {"<f2", 2, DType::kF32, widen_halves},
    {"|i1", 1, DType::kI8, nullptr},
    {"|u1", 1, DType::kU8, nullptr},
    {"<i2", 2, DType::kI16, nullptr},
    {"<i4", 4, DType::kI32, nullptr},
    {"<i8", 8, DType::kI64, nullptr},
    {"|b1", 1, DType::kBool, make_booleans},
    {"<u2", 2, DType::kI32, widen<uint16_t, int32_t>},
    {"<u4", 4, DType::kI64, widen<uint32_t, int64_t>},
};

std::string unfit_reason(const Header& header) {
  if (header.type.empty()) return "records";
  if (header.type[0] == '>') return text(header.type, " (big-endian)");
  return header.type;
}

Array make_array(const std::string& name, Source source) {
  const Layout layout = read_layout(source);
  const Header& header = layout.header;
  Array array;
  array.name = name;
  const auto* const found = std::ranges::find(kElementTypes, header.type, &ElementType::name);
  if (found == std::end(kElementTypes)) {
    array.unfit = unfit_reason(header);
    return array;
  }
  if (header.is_fortran && header.shape.rank > 1) {
    array.unfit = "columns first (fortran_order)";
    return array;
  }
  array.type = {found->dtype, header.shape, std::nullopt};
  int64_t count = 0, row = 1;
  try {
    count = elements(header.shape);
    static_cast<void>(bytes(DType::kI64, header.shape));  // the widest there is can be counted too
  } catch (const Error& error) {
    refuse(source.place, error.what());
  }
  const uint64_t wanted = layout.begin + static_cast<uint64_t>(count) * found->bytes;
  if (source.size != wanted)
    refuse(source.place, text("has ", source.size, " bytes, its header promises ", wanted));
  for (int axis = 1; axis < header.shape.rank && count > 0; ++axis) row *= header.shape[axis];
  array.read = [source = std::move(source), begin = layout.begin, row, found](int64_t first, int64_t rows,
                                                                              std::byte* to) {
    const size_t count_read = static_cast<size_t>(rows * row);
    source.read(begin + static_cast<uint64_t>(first * row) * found->bytes, count_read * found->bytes, to);
    if (found->finish != nullptr) found->finish(to, count_read);
  };
  return array;
}

// ---- where bytes come from ----

std::shared_ptr<const int> open_shared(const std::string& path, const std::string& shown) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(ErrorKind::kSystem, text(shown, ": ", std::strerror(errno)));
  return {new int(fd), [](const int* owned) {
            close(*owned);
            delete owned;
          }};
}

using Zip = std::shared_ptr<zip_t>;

// An entry of an archive. Compressed bytes can only be read on: going back begins anew.
class Entry {
 public:
  Entry(Zip zip, uint64_t index, std::string place)
      : zip_(std::move(zip)), index_(index), place_(std::move(place)) {}

  void read(uint64_t offset, size_t size, std::byte* to) {
    if (!stream_ || offset < position_) reopen();
    std::array<std::byte, 1 << 14> skipped;
    while (position_ < offset)
      read_on(skipped.data(), std::min<uint64_t>(skipped.size(), offset - position_));
    for (uint64_t done = 0; done < size;) done += read_on(to + done, size - done);
  }

 private:
  void reopen() {
    stream_.reset(zip_fopen_index(zip_.get(), index_, 0));
    if (!stream_) refuse(place_, zip_strerror(zip_.get()));
    position_ = 0;
  }

  uint64_t read_on(std::byte* to, uint64_t size) {
    const zip_int64_t got = zip_fread(stream_.get(), to, size);
    if (got < 0) refuse(place_, zip_file_strerror(stream_.get()));
    if (got == 0) refuse(place_, "is cut off");
    position_ += static_cast<uint64_t>(got);
    return static_cast<uint64_t>(got);
  }

  struct Close {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  Zip zip_;
  uint64_t index_;
  std::string place_;
  std::unique_ptr<zip_file_t, Close> stream_;
  uint64_t position_ = 0;
};

Zip open_zip(const std::string& path, const std::string& shown) {
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (zip == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    refuse(shown, why);
  }
  return Zip(zip, zip_discard);
}

}  // namespace

Array open_npy(const std::string& path, const std::string& shown) {
  const std::shared_ptr<const int> fd = open_shared(path, shown);
  struct stat status;
  if (fstat(*fd, &status) != 0) throw Error(ErrorKind::kSystem, text(shown, ": ", std::strerror(errno)));
  Source source{shown, static_cast<uint64_t>(status.st_size), {}};
  source.read = [fd, shown](uint64_t offset, size_t size, std::byte* to) {
    while (size > 0) {
      const ssize_t got = pread(*fd, to, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error(ErrorKind::kSystem, text(shown, ": ", std::strerror(errno)));
      if (got == 0) refuse(shown, "is cut off");
      offset += static_cast<uint64_t>(got);
      to += got;
      size -= static_cast<size_t>(got);
    }
  };
  return make_array("x", std::move(source));
}

std::vector<Array> open_npz(const std::string& path, const std::string& shown) {
  const Zip zip = open_zip(path, shown);
  std::vector<Array> arrays;
  const zip_int64_t count = zip_get_num_entries(zip.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    if (zip_stat_index(zip.get(), static_cast<zip_uint64_t>(i), 0, &status) != 0)
      refuse(shown, zip_strerror(zip.get()));
    const std::string_view file_name = status.name;
    if (!file_name.ends_with(".npy")) continue;
    const std::string name(file_name.substr(0, file_name.size() - 4));
    const auto entry = std::make_shared<Entry>(zip, static_cast<uint64_t>(i), text(shown, ": ", name));
    Source source{text(shown, ": ", name), status.size, {}};
    source.read = [entry](uint64_t offset, size_t size, std::byte* to) { entry->read(offset, size, to); };
    arrays.push_back(make_array(name, std::move(source)));
  }
  std::ranges::sort(arrays, {}, &Array::name);
  const auto twice = std::ranges::adjacent_find(arrays, {}, &Array::name);
  if (twice != arrays.end()) refuse(shown, text("holds ", twice->name, " twice"));
  return arrays;
}

}  // namespace q
