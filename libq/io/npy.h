// NumPy's files: .npy, and .npz, which is a zip of them.
#pragma once

#include <string>
#include <vector>

#include "io/array.h"

namespace q {

// u2 becomes i32, u4 i64 and f2 f32. Throws when the file is cut off or not what it says.
Array open_npy(const std::string& path, const std::string& shown);
// Named without ".npy", in byte order.
std::vector<Array> open_npz(const std::string& path, const std::string& shown);

}  // namespace q
