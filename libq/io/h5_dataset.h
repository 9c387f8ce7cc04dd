// Datasets of HDF5 as tensors.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "io/h5.h"
#include "q/tensor.h"

namespace q::h5 {

// What a dataset holds. Types that HDF5 does not know (bf16 and the packed ones) are stored as unsigned
// integers with an attribute `dtype`, packed ones in one dimension with an attribute `shape`.
struct DatasetInfo {
  // The type of the elements; nothing when no tensor has it.
  std::optional<DType> dtype;
  // The smallest plain type that holds all their values: i32 for u16, i64 for u32, f32 for f16.
  std::optional<DType> widened;
  std::string holds;             // in words, for messages: "u16", "strings"
  std::vector<int64_t> extents;  // of the tensor; any rank
};

// The dataset at one of dataset_paths(), to be read row by row.
Object open_dataset_at(const Object& group, const std::string& path);
// Throws when an attribute contradicts what is stored.
DatasetInfo describe(const Object& dataset);
// Throws unless the file itself holds all that the extents promise, in chunks of a bearable size: called
// before anything is read.
void check_stored(const Object& dataset);
// The whole dataset to where `to` has room for it. dtype: describe()'s.
void read_all(const Object& dataset, DType dtype, std::byte* to);
// Rows [first, first + count) along the first dimension, converted to `widened`.
void read_rows(const Object& dataset, DType widened, int64_t first, int64_t count, std::byte* to);

// A dataset of the tensor's type and final size. Its qparams are not written.
Object create_dataset(const Object& parent, const std::string& name, DType dtype, const Shape& shape);
void write_all(const Object& dataset, DType dtype, const std::byte* data);
// The elements of one dataset to another of the same type and extents, as read_all() and write_all() would
// bring them there, but in pieces of about a megabyte where `from` lies in one piece. Each piece is shown
// before it is written.
void copy_all(const Object& from, const Object& to, DType dtype,
              const std::function<void(const std::byte* data, size_t size)>& inspect);
// Precondition: no packed type.
void write_rows(const Object& dataset, DType dtype, int64_t first, int64_t count, const std::byte* data);

}  // namespace q::h5
