#include "io/array_file.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "base/stream.h"
#include "base/text.h"
#include "io/h5_dataset.h"
#include "io/header.h"
#include "io/names.h"
#include "io/npy.h"
#include "io/qparams_attributes.h"

namespace q {

namespace {

enum class Container { kHdf5, kNpy, kNpz };

// What is none of these is for HDF5 to refuse.
Container container_of(const std::string& path) {
  std::array<char, 6> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  const std::string_view magic(start.data(), start.size());
  if (magic == "\x93NUMPY") return Container::kNpy;
  return magic.starts_with("PK") ? Container::kNpz : Container::kHdf5;
}

bool is_tensor_file(const h5::Object& root) {
  return h5::has_attribute(root, "format") && read_header(root).format == Format::kTensors;
}

Array open_array(const h5::Object& group, const std::string& path, bool is_ours) {
  const h5::Object dataset = h5::open_dataset_at(group, path);
  const h5::DatasetInfo info = h5::describe(dataset);
  Array array;
  array.name = path;
  if (is_ours) array.name = unescape_name(path).value_or(path);
  if (!info.widened)
    array.unfit = info.holds;
  else if (info.extents.size() > kMaxRank)
    array.unfit = text("rank ", info.extents.size());
  if (!array.unfit.empty()) return array;
  array.type = {*info.widened, make_shape(info.extents), std::nullopt};
  if (is_ours) array.type.qparams = read_qparams(dataset, array.type.dtype);
  if (array.type.qparams)
    check_qparams(*array.type.qparams, array.type.dtype, array.type.shape, h5::place_of(dataset));
  array.read = [dataset, dtype = *info.widened, is_checked = false](int64_t first, int64_t count,
                                                                    std::byte* to) mutable {
    if (!std::exchange(is_checked, true)) h5::check_stored(dataset);
    h5::read_rows(dataset, dtype, first, count, to);
  };
  return array;
}

std::vector<Array> open_datasets(const std::string& path, const std::string& shown,
                                 const std::string& group_path) {
  const h5::Object root = h5::open_file(path, shown);
  const bool is_ours = is_tensor_file(root);
  const h5::Object group = group_path.empty() ? root : h5::open_group_at(root, group_path);
  std::vector<Array> arrays;
  for (const std::string& dataset : h5::dataset_paths(group))
    arrays.push_back(open_array(group, dataset, is_ours));
  std::ranges::sort(arrays, {}, &Array::name);
  return arrays;
}

}  // namespace

std::vector<Array> open_arrays(const std::string& path, const std::string& shown, const std::string& group) {
  check_is_file(path, shown);
  const Container container = container_of(path);
  if (container == Container::kHdf5) return open_datasets(path, shown, group);
  if (!group.empty())
    throw Error(ErrorKind::kInvalid, text(shown, ": is no HDF5 file, has no group ", group));
  if (container == Container::kNpz) return open_npz(path, shown);
  return {open_npy(path, shown)};
}

bool is_numpy(const std::string& path) { return container_of(path) != Container::kHdf5; }

}  // namespace q
