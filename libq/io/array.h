// An array in a data file of any container, read by rows of its first dimension.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "q/tensor.h"

namespace q {

struct Array {
  std::string name;
  std::string unfit;  // what it holds that no tensor can: "strings"; empty: the rest is set
  TensorType type;
  // Rows [first, first + count) to where `to` has room for them; all of a scalar. Precondition: they exist.
  std::function<void(int64_t first, int64_t count, std::byte* to)> read;
};

}  // namespace q
