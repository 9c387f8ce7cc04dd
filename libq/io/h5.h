// HDF5 as the rest of io sees it: files and groups. Everything that goes wrong becomes one
// q::Error, `file: /path: found, wanted`. All functions may be called from any thread: they wait for each
// other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace q::h5 {

// An open file (that is, its root group), group or dataset. Copies share the handle; the file stays open
// while one of its objects lives.
struct Object {
  std::shared_ptr<int64_t> id;
  std::string file;  // as messages name it
  std::string path;  // inside the file: "/graph/conv1"; "/" for the root
};

// "model.h5: /graph/conv1", or "model.h5" for the root.
std::string place_of(const Object& object);
// Throws `place: what`.
[[noreturn]] void refuse(const Object& object, const std::string& what);

// The root of an existing file, read-only. `shown` names the file in messages. Throws when it is not HDF5, or
// cut off.
Object open_file(const std::string& path, const std::string& shown);
// The root of a new file; what is there is overwritten. The same calls give the same bytes.
Object create_file(const std::string& path, const std::string& shown);
// Writes out what is still in memory and closes the file. Throws when the system refuses. Precondition: no
// other object of the file is open.
void close_file(Object root);

// A name in a group, and where in the file the object is that it stands for.
struct Link {
  std::string name;
  uint64_t address = 0;
  bool leads_elsewhere = false;  // to another file, or another name
};

// What is in a group, names in byte order.
std::vector<Link> children(const Object& group);
bool has_child(const Object& group, const std::string& name);
Object create_group(const Object& parent, const std::string& name);
// The group or dataset that a link of `parent`, or the link of that name, stands for. Throws when there is
// none, it is of the other kind, or the link leads elsewhere: a model is one file.
Object open_group(const Object& parent, const Link& link);
Object open_group(const Object& parent, const std::string& name);
Object open_dataset(const Object& parent, const Link& link);
Object open_dataset(const Object& parent, const std::string& name);
// The group at a path of any depth, links followed. Throws when there is none.
Object open_group_at(const Object& root, const std::string& path);
// Paths of all datasets at or below a group, relative to it, in byte order; each dataset once.
std::vector<std::string> dataset_paths(const Object& group);
// Bytes of the file that holds the object.
uint64_t file_bytes(const Object& object);

}  // namespace q::h5
