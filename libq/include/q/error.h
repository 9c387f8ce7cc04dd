// The one exception of libq: something given from outside is wrong, or the system refused.
#pragma once

#include <stdexcept>
#include <string>

#if defined(__GNUC__)
#define Q_API __attribute__((visibility("default")))
#else
#define Q_API
#endif

namespace q {

enum class ErrorKind {
  kUsage,        // an argument of a call or of a command line
  kInvalid,      // the content of a file, a recipe, a graph or data
  kUnsupported,  // valid, but outside what this version can do
  kSystem,       // the operating system refused: missing file, full disk
};

// what() is one line of at most 500 bytes, `place: found, wanted`, lower case, without the program's name.
// Whatever bytes of a file are in the text, it is fit for a terminal.
class Q_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text);
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace q
