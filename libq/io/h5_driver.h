// HDF5's files as descriptors: a driver that also opens files without a name.
#pragma once

#include "io/h5_handle.h"

namespace q::h5 {

// The id of the driver, for H5Pset_driver. It reads and writes as HDF5's own does, gives the same bytes, and
// opens any path that open(2) opens: HDF5's own asks for the real path of a link, which /proc/self/fd/N of a
// file without a name has not. Its handle is the descriptor.
hid_t descriptor_driver();

}  // namespace q::h5
