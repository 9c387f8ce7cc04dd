// The arrays of a data file, whatever its container: HDF5, .npy or .npz.
#pragma once

#include <string>
#include <vector>

#include "io/array.h"

namespace q {

// The arrays at or below `group` (HDF5 only; empty: the root), in byte order of their names. Those of a file
// of ours have the names of tensors and perhaps qparams, others their paths below the group; that of a .npy
// file is x.
std::vector<Array> open_arrays(const std::string& path, const std::string& shown, const std::string& group);
// True for a .npy or .npz file, by its first bytes.
bool is_numpy(const std::string& path);

}  // namespace q
