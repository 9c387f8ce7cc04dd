// What the files h5*.cc share: the lock, owned ids, and HDF5's failures as errors.
#pragma once

#define H5_USE_110_API  // whatever version is installed
#include <hdf5.h>

#include <mutex>
#include <utility>

#include "base/guard.h"
#include "io/h5.h"

namespace q::h5 {

// Held by every function while it is inside HDF5, whose usual builds know no threads.
class Session {
 public:
  // shown: the file as messages name it.
  explicit Session(const std::string& shown);

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  Reading reading_;
};

// An id that is released at the end of the block.
class Id {
 public:
  explicit Id(hid_t id) : id_(id) {}
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Id& operator=(Id&&) = delete;
  ~Id() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

// Throws with HDF5's own reason for what it has just refused.
[[noreturn]] void fail(const Object& at);

// The result of a call of HDF5, unless that failed.
template <typename T>
T require(T result, const Object& at) {
  if (result < 0) fail(at);
  return result;
}

// Lists for the making of links, and of files, groups and datasets (`kind`), without times.
Id link_creation(const Object& at);
Id object_creation(hid_t kind, const Object& at);
// A handle on `id` for the object of that path in the same file as `parent`.
Object adopt(hid_t id, const Object& parent, const std::string& path);
std::string path_below(const Object& parent, const std::string& name);

}  // namespace q::h5
