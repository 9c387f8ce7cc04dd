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
// True when `name` matches `pattern`, in which * stands for any text and ? for one character.
Q_API bool matches(std::string_view pattern, std::string_view name);
// A hash of the bytes as 16 hexadecimal digits (FNV-1a, 64 bits): tells texts apart, no protection against
// malice.
Q_API std::string digest(std::string_view bytes);

}  // namespace q
