// Text for messages and files.
#pragma once

#include <sstream>
#include <string>
#include <string_view>

#include "q/error.h"

namespace q {

// All parts one after the other, as operator<< prints them.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The shortest decimal text that reads back as the same number; "inf", "-inf", "nan".
Q_API std::string number(double value);
Q_API std::string number(float value);
// Text from outside fit for a line on a terminal: bytes that are no UTF-8, control characters and those that
// turn or break lines become \xNN, and of more than 500 bytes the middle is left out.
Q_API std::string printable(std::string_view found);
// The same text for `matches`, whole: such bytes become ?, which stands for any.
Q_API std::string printable_pattern(std::string_view found);
// True when `name` matches `pattern`, in which * stands for any text and ? for one character.
Q_API bool matches(std::string_view pattern, std::string_view name);
// A hash of the bytes as 16 hexadecimal digits (FNV-1a, 64 bits): tells texts apart, no protection against
// malice.
Q_API std::string digest(std::string_view bytes);

}  // namespace q
