#include "io/names.h"

#include <charconv>

namespace q {

namespace {

bool needs_escape(std::string_view name, unsigned char c) {
  return c < 0x20 || c == 0x7f || c == '/' || c == '%' || (c == '.' && (name == "." || name == ".."));
}

}  // namespace

std::string escape_name(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : name) {
    if (needs_escape(name, c))
      out += {'%', kDigits[c >> 4], kDigits[c & 15]};
    else
      out += static_cast<char>(c);
  }
  return out;
}

std::optional<std::string> unescape_name(std::string_view link) {
  std::string out;
  for (size_t i = 0; i < link.size(); ++i) {
    if (link[i] != '%') {
      out += link[i];
      continue;
    }
    unsigned code = 0;
    if (link.size() - i < 3) return std::nullopt;
    const char* digits = link.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, code, 16);
    if (error != std::errc() || end != digits + 2 || code == 0) return std::nullopt;
    out += static_cast<char>(code);
    i += 2;
  }
  return out;
}

}  // namespace q
