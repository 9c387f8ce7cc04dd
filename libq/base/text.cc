#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace q {

namespace {

template <typename T>
std::string shortest(T value) {
  if (std::isnan(value)) return "nan";
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

// Bytes of the character at the beginning of the text: 0 when it is no UTF-8, or none to print.
size_t printable_character(std::string_view text) {
  const auto at = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[i]); };
  if (at(0) < 0x80) return at(0) >= ' ' && at(0) != 0x7f ? 1 : 0;
  const size_t size = at(0) < 0xc2 ? 0 : at(0) < 0xe0 ? 2 : at(0) < 0xf0 ? 3 : at(0) < 0xf5 ? 4 : 0;
  if (size == 0 || size > text.size()) return 0;
  uint32_t code = at(0) & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (at(i) & 0x3f);
  }
  constexpr uint32_t kShortest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto in = [&](uint32_t first, uint32_t last) { return code >= first && code <= last; };
  if (code < kShortest[size] || code > 0x10ffff || in(0xd800, 0xdfff)) return 0;
  // control characters, marks and overrides of direction, separators of lines
  const bool is_hidden = in(0x80, 0x9f) || in(0x200e, 0x200f) || in(0x2028, 0x202e) || in(0x2066, 0x2069);
  return is_hidden ? 0 : size;
}

// The text with `replaced(byte)` for each byte that is not to be printed.
template <typename Replaced>
std::string replace_unprintable(std::string_view found, const Replaced& replaced) {
  std::string out;
  while (!found.empty()) {
    const size_t size = printable_character(found);
    if (size > 0)
      out += found.substr(0, size);
    else
      out += replaced(static_cast<unsigned char>(found[0]));
    found.remove_prefix(std::max<size_t>(size, 1));
  }
  return out;
}

constexpr size_t kLongestLine = 500;
constexpr std::string_view kLeftOut = "...";

}  // namespace

Error::Error(ErrorKind kind, const std::string& text) : std::runtime_error(printable(text)), kind_(kind) {}

std::string printable(std::string_view found) {
  std::string out = replace_unprintable(found, [](unsigned char byte) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    return std::string{'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
  });
  if (out.size() <= kLongestLine) return out;
  // the beginning says where, the end what was wanted
  const auto is_inside = [&](size_t at) { return (static_cast<unsigned char>(out[at]) & 0xc0) == 0x80; };
  size_t head = kLongestLine / 2, tail = out.size() - (kLongestLine - head - kLeftOut.size());
  while (is_inside(head)) --head;
  while (is_inside(tail)) ++tail;
  return out.replace(head, tail - head, kLeftOut);
}

std::string printable_pattern(std::string_view found) {
  return replace_unprintable(found, [](unsigned char) { return "?"; });
}

std::string number(double value) { return shortest(value); }
std::string number(float value) { return shortest(value); }

bool matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string digest(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  std::array<char, 17> buffer{};
  for (size_t i = 0; i < 16; ++i) buffer[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 15];
  return {buffer.data(), 16};
}

}  // namespace q
