#include "io/h5.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "io/h5_driver.h"
#include "io/h5_handle.h"

namespace q::h5 {

namespace {

constexpr size_t kCachedStructure = size_t{2} << 20;  // bytes of a file that tell where the others are

std::recursive_mutex& library_lock() {
  static std::recursive_mutex lock;
  return lock;
}

// Nothing of HDF5 is left open when the program ends, unless a disk was full: then its farewell would try to
// write again, and complain on stderr.
void start_library() {
  static const bool started = [] {
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    return true;
  }();
  static_cast<void>(started);
}

// The innermost entry of HDF5's error stack.
std::string reason() {
  std::string out;
  const H5E_walk2_t first = [](unsigned index, const H5E_error2_t* entry, void* to) -> herr_t {
    if (index == 0 && entry->desc != nullptr) *static_cast<std::string*>(to) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &out);
  return out.empty() ? "HDF5 failed" : out;
}

// What the operating system said, from a text that also tells time and addresses; empty when it was not the
// system.
std::string system_reason(const std::string& text) {
  constexpr std::string_view kBefore = "error message = '";
  const size_t begin = text.find(kBefore);
  if (begin == std::string::npos) return "";
  const size_t end = text.find('\'', begin + kBefore.size());
  return text.substr(begin + kBefore.size(), end - begin - kBefore.size());
}

// Locks would only stop readers of read-only file systems: what is written here is seen by nobody else until
// it is complete.
Id file_access(const Object& at) {
  Id access(require(H5Pcreate(H5P_FILE_ACCESS), at));
  require(H5Pset_file_locking(access, false, true), at);
  require(H5Pset_driver(access, require(descriptor_driver(), at), nullptr), at);
  return access;
}

// Closes a file that shall not be completed. What HDF5 still has to write goes nowhere: to fail in it, say on
// a full disk, would cost the memory of its caches.
void abandon(hid_t file) {
  void* descriptor = nullptr;
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor) >= 0)
    dup2(nowhere, *static_cast<int*>(descriptor));
  if (nowhere >= 0) close(nowhere);
  H5Idec_ref(file);
}

Link link_of(const std::string& name, const H5L_info_t& info) {
  const bool is_hard = info.type == H5L_TYPE_HARD;
  return {name, is_hard ? info.u.address : 0, !is_hard};
}

// The link of that name. Throws when there is none.
Link find_link(const Object& parent, const std::string& name, std::string_view wanted_name) {
  const std::string path = path_below(parent, name);
  if (!has_child(parent, name))
    throw Error(ErrorKind::kInvalid, text(parent.file, ": no ", wanted_name, " ", path));
  H5L_info_t info;
  require(H5Lget_info(*parent.id, name.c_str(), &info, H5P_DEFAULT), {nullptr, parent.file, path});
  return link_of(name, info);
}

Object open_child(const Object& parent, const Link& link, H5I_type_t wanted, std::string_view wanted_name) {
  const Object child{nullptr, parent.file, path_below(parent, link.name)};
  if (link.leads_elsewhere) refuse(child, text("is a link to elsewhere, wanted a ", wanted_name));
  Object found = adopt(require(H5Oopen_by_addr(*parent.id, link.address), child), parent, child.path);
  if (H5Iget_type(*found.id) != wanted) refuse(child, text("is something else, wanted a ", wanted_name));
  return found;
}

}  // namespace

Session::Session(const std::string& shown) : lock_(library_lock()), reading_(shown) { start_library(); }

void fail(const Object& at) {
  const std::string why = reason(), system = system_reason(why);
  if (!system.empty()) throw Error(ErrorKind::kSystem, text(at.file, ": ", system));
  throw Error(ErrorKind::kInvalid, text(place_of(at), ": ", why));
}

Id link_creation(const Object& at) {
  Id list(require(H5Pcreate(H5P_LINK_CREATE), at));
  require(H5Pset_char_encoding(list, H5T_CSET_UTF8), at);
  return list;
}

Id object_creation(hid_t kind, const Object& at) {
  Id list(require(H5Pcreate(kind), at));
  require(H5Pset_obj_track_times(list, false), at);
  // by itself HDF5 gives objects of more than eight attributes a heap of some kilobytes
  require(H5Pset_attr_phase_change(list, 1000, 0), at);
  return list;
}

Object adopt(hid_t id, const Object& parent, const std::string& path) {
  const auto close = [shown = parent.file](int64_t* owned) {
    const Session session(shown);
    if (*owned >= 0) H5Idec_ref(*owned);
    delete owned;
  };
  return {std::shared_ptr<int64_t>(new int64_t(id), close), parent.file, path};
}

std::string path_below(const Object& parent, const std::string& name) {
  return text(parent.path == "/" ? "" : parent.path, "/", name);
}

std::string place_of(const Object& object) {
  return object.path == "/" ? object.file : text(object.file, ": ", object.path);
}

void refuse(const Object& object, const std::string& what) {
  throw Error(ErrorKind::kInvalid, text(place_of(object), ": ", what));
}

Object open_file(const std::string& path, const std::string& shown) {
  const Session session(shown);
  const Object root{nullptr, shown, "/"};
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || access(path.c_str(), R_OK) != 0)
    throw Error(ErrorKind::kSystem, text(shown, ": ", std::strerror(errno)));
  if (S_ISDIR(status.st_mode)) throw Error(ErrorKind::kSystem, text(shown, ": is a folder, wanted a file"));
  const Id access = file_access(root);
  // HDF5 counts 32 MB of the file, which take ten times that in memory
  H5AC_cache_config_t cache;
  cache.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  require(H5Pget_mdc_config(access, &cache), root);
  cache.set_initial_size = true;
  cache.initial_size = cache.min_size = kCachedStructure / 2;
  cache.max_size = kCachedStructure;
  require(H5Pset_mdc_config(access, &cache), root);
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access);
  if (id >= 0) return adopt(id, root, "/");
  const std::string why = reason();
  if (H5Fis_hdf5(path.c_str()) == 0) refuse(root, "not an HDF5 file");
  refuse(root, why.starts_with("truncated file") ? "is cut off" : why);
}

Object create_file(const std::string& path, const std::string& shown) {
  const Session session(shown);
  const Object root{nullptr, shown, "/"};
  const Id access = file_access(root);
  // readable since HDF5 1.8, and large attributes allowed
  require(H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18), root);
  const Id creation = object_creation(H5P_FILE_CREATE, root);
  const hid_t id = require(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access), root);
  const auto give_up = [shown](int64_t* owned) {
    const Session held(shown);
    if (*owned >= 0) abandon(*owned);
    delete owned;
  };
  return {std::shared_ptr<int64_t>(new int64_t(id), give_up), shown, "/"};
}

void close_file(Object root) {
  const Session session(root.file);
  require(H5Fflush(*root.id, H5F_SCOPE_GLOBAL), root);
  // given up whatever comes: HDF5 frees a file that it fails to close
  require(H5Fclose(std::exchange(*root.id, H5I_INVALID_HID)), root);
}

std::vector<Link> children(const Object& group) {
  const Session session(group.file);
  std::vector<Link> links;
  const auto collect = [](hid_t, const char* name, const H5L_info_t* info, void* to) -> herr_t {
    static_cast<std::vector<Link>*>(to)->push_back(link_of(name, *info));
    return 0;
  };
  require(H5Literate(*group.id, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect, &links), group);
  std::ranges::sort(links, {}, &Link::name);
  return links;
}

bool has_child(const Object& group, const std::string& name) {
  const Session session(group.file);
  return !name.empty() && require(H5Lexists(*group.id, name.c_str(), H5P_DEFAULT), group) > 0;
}

Object create_group(const Object& parent, const std::string& name) {
  const Session session(parent.file);
  const Object at{nullptr, parent.file, path_below(parent, name)};
  const Id links = link_creation(at), creation = object_creation(H5P_GROUP_CREATE, at);
  return adopt(require(H5Gcreate2(*parent.id, name.c_str(), links, creation, H5P_DEFAULT), at), parent,
               at.path);
}

Object open_group(const Object& parent, const Link& link) {
  const Session session(parent.file);
  return open_child(parent, link, H5I_GROUP, "group");
}

Object open_group(const Object& parent, const std::string& name) {
  const Session session(parent.file);
  return open_group(parent, find_link(parent, name, "group"));
}

Object open_dataset(const Object& parent, const Link& link) {
  const Session session(parent.file);
  return open_child(parent, link, H5I_DATASET, "dataset");
}

Object open_dataset(const Object& parent, const std::string& name) {
  const Session session(parent.file);
  return open_dataset(parent, find_link(parent, name, "dataset"));
}

Object open_group_at(const Object& root, const std::string& path) {
  const Session session(root.file);
  const hid_t id = H5Gopen2(*root.id, path.c_str(), H5P_DEFAULT);
  if (id < 0) throw Error(ErrorKind::kInvalid, text(root.file, ": no group ", path));
  return adopt(id, root, path);
}

std::vector<std::string> dataset_paths(const Object& group) {
  const Session session(group.file);
  std::vector<std::string> paths;
  const auto collect = [](hid_t, const char* name, const H5O_info_t* info, void* to) -> herr_t {
    if (info->type == H5O_TYPE_DATASET) static_cast<std::vector<std::string>*>(to)->push_back(name);
    return 0;
  };
  require(H5Ovisit2(*group.id, H5_INDEX_NAME, H5_ITER_INC, collect, &paths, H5O_INFO_BASIC), group);
  std::sort(paths.begin(), paths.end());
  return paths;
}

uint64_t file_bytes(const Object& object) {
  const Session session(object.file);
  hsize_t bytes = 0;
  const Id file(require(H5Iget_file_id(*object.id), object));
  require(H5Fget_filesize(file, &bytes), object);
  return bytes;
}

}  // namespace q::h5
