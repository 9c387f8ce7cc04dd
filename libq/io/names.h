// Names as links of an HDF5 file, where '/' separates groups.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace q {

// '/', '%', control characters and the names "." and ".." are escaped as in URLs: "a/b" is "a%2Fb".
std::string escape_name(std::string_view name);
// The name that a link stands for; nothing when it holds an escape that is not one, or one of NUL.
std::optional<std::string> unescape_name(std::string_view link);

}  // namespace q
