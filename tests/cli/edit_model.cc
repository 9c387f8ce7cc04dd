// Makes and damages HDF5 files for the tests of the tools: edit_model FILE < commands, one on a line. What is
// there is replaced. \xNN in a word is a byte.
//   group PATH
//   attribute PATH NAME TYPE VALUE...
//     TYPE: int float text; ints floats texts for a list; none for an empty dataspace
//   dataset PATH TYPE EXTENTS VALUE...
//     TYPE: f32 f64 i64 i32 i8 u8 text, f32be with the bytes in the other order; EXTENTS: 3,4; the values are
//     repeated to fill it
//   packed PATH TYPE EXTENTS VALUE...
//     the same, compressed in chunks of half the extents
//   sparse PATH TYPE EXTENTS CHUNK
//     nothing of it stored, in chunks of these extents, compressed
//   external PATH TYPE EXTENTS FILE
//     its bytes being those of another file
//   virtual PATH TYPE EXTENTS FILE DATASET
//     made of a dataset of the same extents, of another file or (.) this one
//   value PATH INDEX VALUE
//     one number of a dataset, counted in row-major order
//   delete PATH [NAME]
//     a group or dataset, or an attribute of it
#include <hdf5.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Words = std::vector<std::string>;

hid_t file;

// Ids are left to the end of the program: it is a short one.
template <typename T>
T require(T result) {
  if (result < 0) throw std::runtime_error("HDF5 refused");
  return result;
}

const std::string& word(const Words& words, size_t index) {
  if (index >= words.size()) throw std::runtime_error("too few words");
  return words[index];
}

Words from(const Words& words, size_t index) {
  return index < words.size() ? Words(words.begin() + static_cast<ptrdiff_t>(index), words.end()) : Words();
}

std::vector<double> numbers(const Words& words) {
  std::vector<double> out;
  for (const std::string& each : words) out.push_back(std::stod(each));
  return out;
}

template <typename T>
std::vector<T> repeated(const std::vector<T>& values, size_t count) {
  std::vector<T> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) out.push_back(values[i % values.size()]);
  return out;
}

hid_t text_type(const Words& texts) {
  size_t longest = 1;
  for (const std::string& each : texts) longest = std::max(longest, each.size());
  const hid_t type = require(H5Tcopy(H5T_C_S1));
  require(H5Tset_size(type, longest));
  return require(H5Tset_strpad(type, H5T_STR_NULLPAD)), type;
}

// As fixed-length strings, one after the other.
std::string padded(const Words& texts, size_t length) {
  std::string out;
  for (std::string each : texts) {
    each.resize(length, '\0');
    out += each;
  }
  return out;
}

hid_t stored_type(const std::string& name) {
  const std::map<std::string, hid_t> types = {
      {"f32", H5T_IEEE_F32LE}, {"f64", H5T_IEEE_F64LE}, {"i64", H5T_STD_I64LE},   {"i32", H5T_STD_I32LE},
      {"i8", H5T_STD_I8LE},    {"u8", H5T_STD_U8LE},    {"f32be", H5T_IEEE_F32BE}};
  return types.at(name);
}

void make_group(const Words& words) {
  require(H5Gcreate2(file, word(words, 1).c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

void set_attribute(const Words& words) {
  const std::string &name = word(words, 2), &kind = word(words, 3);
  const hid_t object = require(H5Oopen(file, word(words, 1).c_str(), H5P_DEFAULT));
  if (require(H5Aexists(object, name.c_str())) > 0) require(H5Adelete(object, name.c_str()));
  const Words values = from(words, 4);
  const hsize_t extent = values.size();
  const bool is_list = kind.back() == 's';
  const hid_t space = kind == "none" ? H5Screate(H5S_NULL)
                      : is_list      ? H5Screate_simple(1, &extent, nullptr)
                                     : H5Screate(H5S_SCALAR);
  const hid_t type = kind.starts_with("text")    ? text_type(values)
                     : kind.starts_with("float") ? H5T_IEEE_F64LE
                                                 : H5T_STD_I64LE;
  const hid_t attribute =
      require(H5Acreate2(object, name.c_str(), type, require(space), H5P_DEFAULT, H5P_DEFAULT));
  if (values.empty()) return;
  if (kind.starts_with("text"))
    require(H5Awrite(attribute, type, padded(values, H5Tget_size(type)).data()));
  else
    require(H5Awrite(attribute, H5T_NATIVE_DOUBLE, numbers(values).data()));
}

std::vector<hsize_t> extents_of(const std::string& words) {
  std::vector<hsize_t> out;
  std::stringstream list(words);
  for (std::string each; std::getline(list, each, ',');) out.push_back(std::stoull(each));
  return out;
}

hid_t space_of(const std::vector<hsize_t>& extents) {
  return require(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
}

// One of which nothing is written.
void make_unwritten(const Words& words) {
  const std::string &path = word(words, 1), &source = word(words, 4);
  if (require(H5Lexists(file, path.c_str(), H5P_DEFAULT)) > 0)
    require(H5Ldelete(file, path.c_str(), H5P_DEFAULT));
  const std::vector<hsize_t> extents = extents_of(word(words, 3));
  const hid_t creation = require(H5Pcreate(H5P_DATASET_CREATE));
  if (words[0] == "sparse") {
    const std::vector<hsize_t> chunk = extents_of(source);
    require(H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data()));
    require(H5Pset_deflate(creation, 1));
  } else if (words[0] == "external") {
    require(H5Pset_external(creation, source.c_str(), 0, H5F_UNLIMITED));
  } else {
    require(H5Pset_virtual(creation, space_of(extents), source.c_str(), word(words, 5).c_str(),
                           space_of(extents)));
  }
  require(H5Dcreate2(file, path.c_str(), stored_type(word(words, 2)), space_of(extents), H5P_DEFAULT,
                     creation, H5P_DEFAULT));
}

void make_dataset(const Words& words) {
  const std::string &path = word(words, 1), &kind = word(words, 2);
  const std::vector<hsize_t> extents = extents_of(word(words, 3));
  size_t count = 1;
  for (hsize_t extent : extents) count *= extent;
  Words given = from(words, 4);
  if (given.empty()) given = {"0"};
  if (require(H5Lexists(file, path.c_str(), H5P_DEFAULT)) > 0)
    require(H5Ldelete(file, path.c_str(), H5P_DEFAULT));
  const hid_t type = kind == "text" ? text_type(given) : stored_type(kind);
  const hid_t space = space_of(extents);
  const hid_t creation = require(H5Pcreate(H5P_DATASET_CREATE));
  if (words[0] == "packed") {
    std::vector<hsize_t> chunk;
    for (hsize_t extent : extents) chunk.push_back((extent + 1) / 2);
    require(H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data()));
    require(H5Pset_deflate(creation, 1));
  }
  const hid_t dataset =
      require(H5Dcreate2(file, path.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
  if (count == 0) return;
  if (kind == "text")
    require(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                     padded(repeated(given, count), H5Tget_size(type)).data()));
  else
    require(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                     repeated(numbers(given), count).data()));
}

void set_value(const Words& words) {
  const hid_t dataset = require(H5Dopen2(file, word(words, 1).c_str(), H5P_DEFAULT));
  std::vector<double> values(
      static_cast<size_t>(require(H5Sget_simple_extent_npoints(require(H5Dget_space(dataset))))));
  require(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  values.at(std::stoull(word(words, 2))) = std::stod(word(words, 3));
  require(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
}

void remove_object(const Words& words) {
  const std::string& path = word(words, 1);
  if (words.size() == 2) {
    require(H5Ldelete(file, path.c_str(), H5P_DEFAULT));
    return;
  }
  require(H5Adelete(require(H5Oopen(file, path.c_str(), H5P_DEFAULT)), words[2].c_str()));
}

// The word with the bytes that its escapes stand for.
std::string unescaped(const std::string& escaped) {
  std::string out;
  for (size_t i = 0; i < escaped.size(); ++i) {
    const bool is_escape = escaped.compare(i, 2, "\\x") == 0 && i + 4 <= escaped.size();
    out += is_escape ? static_cast<char>(std::stoi(escaped.substr(i + 2, 2), nullptr, 16)) : escaped[i];
    if (is_escape) i += 3;
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: edit_model FILE < commands\n";
    return 2;
  }
  const std::map<std::string, std::function<void(const Words&)>> commands = {
      {"group", make_group},      {"attribute", set_attribute}, {"dataset", make_dataset},
      {"packed", make_dataset},   {"value", set_value},         {"delete", remove_object},
      {"sparse", make_unwritten}, {"external", make_unwritten}, {"virtual", make_unwritten}};
  const bool exists = std::ifstream(argv[1]).good();
  file = exists ? H5Fopen(argv[1], H5F_ACC_RDWR, H5P_DEFAULT)
                : H5Fcreate(argv[1], H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
  for (std::string line; std::getline(std::cin, line);) {
    std::stringstream split(line);
    Words words;
    for (std::string each; split >> each;) words.push_back(unescaped(each));
    if (words.empty()) continue;
    try {
      require(file);
      commands.at(words[0])(words);
    } catch (const std::exception& error) {
      std::cerr << "edit_model: " << line << ": " << error.what() << '\n';
      return 1;
    }
  }
  return 0;
}
