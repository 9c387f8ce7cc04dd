// PyTorch's answers as files: the layout is that of tests/golden/README.md.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "q/tensor.h"

namespace q {

// How far integers and floats may be from what is expected.
struct GoldenTolerance {
  int64_t units = 0;  // largest difference of integers
  double share = 0;   // of the elements may differ at all (floats: by more than the next two allow) …
  int64_t count = 0;  // … or so many, when that is more
  double relative = 0, absolute = 0;
  double limit = -1;  // of any float's difference; below 0: none
};

struct GoldenCase {
  std::string name;    // file and case
  std::string op;      // PyTorch's name, float_… when the tensors are not quantized
  std::string engine;  // PyTorch's engine whose rounding it is; "any" when all agree
  nlohmann::json params;
  GoldenTolerance tolerance;
  std::map<std::string, Tensor, std::less<>> inputs, expected;
};

// The cases in all *.h5 at or below a folder. Cases are read when asked for.
class GoldenSet {
 public:
  // A folder that is not there is an empty set. Throws on a file that cannot be read.
  explicit GoldenSet(const std::string& folder);
  // Number of cases of each operator.
  std::map<std::string, size_t, std::less<>> counts() const;
  std::vector<GoldenCase> read(std::string_view op) const;

 private:
  struct Place {
    std::string file, shown, group;
  };
  std::map<std::string, std::vector<Place>, std::less<>> places_;  // by operator
};

}  // namespace q
