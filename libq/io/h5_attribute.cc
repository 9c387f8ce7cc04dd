#include "io/h5_attribute.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "io/h5_handle.h"

namespace q::h5 {

namespace {

// So many bytes are taken on the word of any file.
constexpr uint64_t kHarmless = uint64_t{1} << 16;

// True when the file promises much that it cannot hold.
bool exceeds_file(uint64_t size, const Object& at) { return size > kHarmless && size > file_bytes(at); }

constexpr std::string_view kKindNames[] = {"an integer", "a number", "a string",
                                           "integers",   "numbers",  "strings"};

template <typename T>
constexpr std::string_view kind_name() {
  return kKindNames[AttributeValue(T{}).index()];
}

// Type, number of elements and form of an attribute, and the id it is read from.
struct Attribute {
  const Object& object;
  const std::string& name;
  Id id, type;
  bool is_list = false;
  size_t count = 1;

  Attribute(const Object& o, const std::string& n)
      : object(o), name(n), id(open(o, n)), type(require(H5Aget_type(id), o)) {
    const Id space(require(H5Aget_space(id), o));
    const int rank = require(H5Sget_simple_extent_ndims(space), o);
    if (rank == 0 && H5Sget_simple_extent_type(space) == H5S_NULL) refuse_attribute("is empty");
    if (rank > 1) refuse_attribute(text("has ", rank, " dimensions, wanted at most one"));
    is_list = rank == 1;
    if (!is_list) return;
    count = static_cast<size_t>(require(H5Sget_simple_extent_npoints(space), o));
    if (exceeds_file(H5Aget_storage_size(id), o) || exceeds_file(count, o))
      refuse_attribute("is larger than its file");
  }

  [[noreturn]] void refuse_attribute(const std::string& what) const {
    refuse(object, text("attribute ", name, " ", what));
  }

  static hid_t open(const Object& object, const std::string& name) {
    const hid_t id = H5Aopen(*object.id, name.c_str(), H5P_DEFAULT);
    if (id >= 0) return id;
    if (!has_attribute(object, name)) refuse(object, text("no attribute ", name));
    return require(H5Aopen(*object.id, name.c_str(), H5P_DEFAULT), object);  // for its reason
  }
};

Ints integers_of(const Attribute& attribute) {
  Ints out(attribute.count);
  if (out.empty()) return out;
  if (H5Tget_class(attribute.type) != H5T_ENUM) {
    require(H5Aread(attribute.id, H5T_NATIVE_INT64, out.data()), attribute.object);
    return out;
  }
  // a boolean of h5py: an enumeration, whose integers HDF5 gives only in their own width
  const Id base(require(H5Tget_super(attribute.type), attribute.object));
  if (H5Tget_size(base) > sizeof(int64_t)) attribute.refuse_attribute("is of an unknown type");
  require(H5Aread(attribute.id, attribute.type, out.data()), attribute.object);
  require(H5Tconvert(base, H5T_NATIVE_INT64, out.size(), out.data(), nullptr, H5P_DEFAULT), attribute.object);
  return out;
}

Floats numbers_of(const Attribute& attribute) {
  Floats out(attribute.count);
  if (!out.empty()) require(H5Aread(attribute.id, H5T_NATIVE_DOUBLE, out.data()), attribute.object);
  return out;
}

// Text of a fixed-length string without its padding.
std::string unpadded(const char* begin, size_t length, H5T_str_t padding) {
  std::string_view found(begin, length);
  if (padding == H5T_STR_SPACEPAD) {
    const size_t last = found.find_last_not_of(' ');
    return std::string(found.substr(0, last == std::string_view::npos ? 0 : last + 1));
  }
  // padded with it, a text may hold NUL; ended by it, it ends at the first
  if (padding == H5T_STR_NULLPAD) return std::string(found.substr(0, found.find_last_not_of('\0') + 1));
  return std::string(found.substr(0, found.find('\0')));
}

// `read` fills a buffer with elements of that string type, one after the other.
template <typename Read>
Strings strings_as(hid_t type, size_t count, const Object& at, const Read& read) {
  Strings out(count);
  if (count == 0) return out;
  if (require(H5Tis_variable_str(type), at) > 0) {
    std::vector<char*> texts(count, nullptr);
    const hsize_t extent = count;
    const Id space(require(H5Screate_simple(1, &extent, nullptr), at));
    read(texts.data());
    for (size_t i = 0; i < count; ++i)
      if (texts[i] != nullptr) out[i] = texts[i];
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts.data());
    return out;
  }
  const size_t length = H5Tget_size(type);
  if (length == 0 || exceeds_file(length, at) || exceeds_file(length * count, at))
    refuse(at, "holds strings larger than its file");
  std::vector<char> buffer(length * count);
  read(buffer.data());
  for (size_t i = 0; i < count; ++i)
    out[i] = unpadded(buffer.data() + i * length, length, H5Tget_strpad(type));
  return out;
}

Strings strings_of(const Attribute& attribute) {
  return strings_as(attribute.type, attribute.count, attribute.object,
                    [&](void* to) { require(H5Aread(attribute.id, attribute.type, to), attribute.object); });
}

template <typename T>
AttributeValue scalar_or_list(std::vector<T> values, bool is_list) {
  if (is_list) return values;
  return std::move(values.at(0));
}

// The single T of a value, or its one-element form from a scalar. Throws with what was found.
template <typename T>
[[noreturn]] void refuse_kind(const Object& object, const std::string& name, const AttributeValue& value) {
  refuse(object, text("attribute ", name, " is ", kKindNames[value.index()], ", wanted ", kind_name<T>()));
}

template <typename T>
T read_scalar(const Object& object, const std::string& name) {
  const AttributeValue value = read_attribute(object, name);
  if (const T* found = std::get_if<T>(&value)) return *found;
  refuse_kind<T>(object, name, value);
}

template <typename T>
std::vector<T> read_list(const Object& object, const std::string& name) {
  AttributeValue value = read_attribute(object, name);
  if (std::vector<T>* found = std::get_if<std::vector<T>>(&value)) return std::move(*found);
  if (const T* found = std::get_if<T>(&value)) return {*found};
  // h5py makes floats of an empty list
  if (const Floats* found = std::get_if<Floats>(&value); found != nullptr && found->empty()) return {};
  refuse_kind<std::vector<T>>(object, name, value);
}

Id space_for(bool is_list, size_t count, const Object& at) {
  const hsize_t extent = count;
  return Id(require(is_list ? H5Screate_simple(1, &extent, nullptr) : H5Screate(H5S_SCALAR), at));
}

void write_elements(const Object& object, const std::string& name, bool is_list, size_t count,
                    hid_t file_type, hid_t memory_type, const void* data) {
  const Id space = space_for(is_list, count, object);
  const Id id(
      require(H5Acreate2(*object.id, name.c_str(), file_type, space, H5P_DEFAULT, H5P_DEFAULT), object));
  if (count > 0) require(H5Awrite(id, memory_type, data), object);
}

// A string type of fixed length: those of variable length live in a heap, four kilobytes at least.
Id string_type(size_t length, const Object& at) {
  Id type(require(H5Tcopy(H5T_C_S1), at));
  require(H5Tset_size(type, length), at);
  require(H5Tset_strpad(type, H5T_STR_NULLTERM), at);
  require(H5Tset_cset(type, H5T_CSET_UTF8), at);
  return type;
}

// All strings padded with NUL to one length, one after the other.
std::vector<char> padded(std::span<const std::string> texts, size_t length, const Object& at) {
  std::vector<char> out(texts.size() * length);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].find('\0') != std::string::npos) refuse(at, "a name or text holds a NUL character");
    std::copy(texts[i].begin(), texts[i].end(), out.begin() + static_cast<ptrdiff_t>(i * length));
  }
  return out;
}

// Bytes of the longest with the NUL at its end.
size_t longest(std::span<const std::string> texts) {
  size_t length = 0;
  for (const std::string& each : texts) length = std::max(length, each.size());
  return length + 1;
}

void write_strings(const Object& object, const std::string& name, bool is_list,
                   std::span<const std::string> texts) {
  const size_t length = longest(texts);
  const Id type = string_type(length, object);
  const std::vector<char> buffer = padded(texts, length, object);
  write_elements(object, name, is_list, texts.size(), type, type, buffer.data());
}

}  // namespace

std::vector<std::string> attributes(const Object& object) {
  const Session session(object.file);
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->push_back(name);
    return 0;
  };
  require(H5Aiterate2(*object.id, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect, &names), object);
  std::sort(names.begin(), names.end());
  return names;
}

bool has_attribute(const Object& object, const std::string& name) {
  const Session session(object.file);
  return require(H5Aexists(*object.id, name.c_str()), object) > 0;
}

AttributeValue read_attribute(const Object& object, const std::string& name) {
  const Session session(object.file);
  const Attribute attribute(object, name);
  switch (H5Tget_class(attribute.type)) {
    case H5T_INTEGER:
    case H5T_ENUM:
      return scalar_or_list(integers_of(attribute), attribute.is_list);
    case H5T_FLOAT:
      return scalar_or_list(numbers_of(attribute), attribute.is_list);
    case H5T_STRING:
      return scalar_or_list(strings_of(attribute), attribute.is_list);
    default:
      attribute.refuse_attribute("is neither integers, nor numbers, nor strings");
  }
}

int64_t read_int(const Object& object, const std::string& name) { return read_scalar<int64_t>(object, name); }
std::string read_string(const Object& object, const std::string& name) {
  return read_scalar<std::string>(object, name);
}
Ints read_ints(const Object& object, const std::string& name) { return read_list<int64_t>(object, name); }
Strings read_strings(const Object& object, const std::string& name) {
  return read_list<std::string>(object, name);
}

int32_t read_int32(const Object& object, const std::string& name) {
  const int64_t value = read_int(object, name);
  if (value < INT32_MIN || value > INT32_MAX)
    refuse(object, text("attribute ", name, " is ", value, ", wanted 32 bits"));
  return static_cast<int32_t>(value);
}

double read_number(const Object& object, const std::string& name) {
  const AttributeValue value = read_attribute(object, name);
  if (const int64_t* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  if (const double* found = std::get_if<double>(&value)) return *found;
  refuse_kind<double>(object, name, value);
}

Floats read_numbers(const Object& object, const std::string& name) {
  const AttributeValue value = read_attribute(object, name);
  if (const int64_t* whole = std::get_if<int64_t>(&value)) return {static_cast<double>(*whole)};
  if (const double* found = std::get_if<double>(&value)) return {*found};
  if (const Ints* whole = std::get_if<Ints>(&value)) return Floats(whole->begin(), whole->end());
  if (const Floats* found = std::get_if<Floats>(&value)) return *found;
  refuse_kind<Floats>(object, name, value);
}

void write_attribute(const Object& object, const std::string& name, const AttributeValue& value) {
  const Session session(object.file);
  if (const auto* whole = std::get_if<int64_t>(&value))
    write_elements(object, name, false, 1, H5T_STD_I64LE, H5T_NATIVE_INT64, whole);
  else if (const auto* number = std::get_if<double>(&value))
    write_elements(object, name, false, 1, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, number);
  else if (const auto* word = std::get_if<std::string>(&value))
    write_strings(object, name, false, {word, 1});
  else if (const auto* wholes = std::get_if<Ints>(&value))
    write_elements(object, name, true, wholes->size(), H5T_STD_I64LE, H5T_NATIVE_INT64, wholes->data());
  else if (const auto* numbers = std::get_if<Floats>(&value))
    write_elements(object, name, true, numbers->size(), H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, numbers->data());
  else
    write_strings(object, name, true, std::get<Strings>(value));
}

void write_attribute(const Object& object, const std::string& name, std::span<const int32_t> values) {
  const Session session(object.file);
  write_elements(object, name, true, values.size(), H5T_STD_I32LE, H5T_NATIVE_INT32, values.data());
}

std::vector<Strings> read_records(const Object& object, const std::string& name,
                                  std::span<const char* const> fields) {
  const Session session(object.file);
  const Attribute attribute(object, name);
  if (H5Tget_class(attribute.type) != H5T_COMPOUND)
    attribute.refuse_attribute("is something else, wanted records");
  std::vector<Strings> records(attribute.count, Strings(fields.size()));
  for (size_t f = 0; f < fields.size(); ++f) {
    const int member = H5Tget_member_index(attribute.type, fields[f]);
    if (member < 0) continue;
    const Id type(require(H5Tget_member_type(attribute.type, static_cast<unsigned>(member)), object));
    if (H5Tget_class(type) != H5T_STRING)
      attribute.refuse_attribute(text("has a field ", fields[f], " that is no string"));
    // HDF5 picks the members of a record by name: this one has only one
    const Id only(require(H5Tcreate(H5T_COMPOUND, H5Tget_size(type)), object));
    require(H5Tinsert(only, fields[f], 0, type), object);
    const Strings column = strings_as(type, attribute.count, object,
                                      [&](void* to) { require(H5Aread(attribute.id, only, to), object); });
    for (size_t i = 0; i < column.size(); ++i) records[i][f] = column[i];
  }
  return records;
}

void write_records(const Object& object, const std::string& name, std::span<const char* const> fields,
                   const std::vector<Strings>& records) {
  const Session session(object.file);
  std::vector<Strings> columns(fields.size());
  std::vector<size_t> lengths;
  size_t record_bytes = 0;
  for (size_t f = 0; f < fields.size(); ++f) {
    for (const Strings& record : records) columns[f].push_back(record[f]);
    lengths.push_back(longest(columns[f]));
    record_bytes += lengths.back();
  }
  const Id type(require(H5Tcreate(H5T_COMPOUND, record_bytes), object));
  std::vector<char> buffer(record_bytes * records.size());
  size_t offset = 0;
  for (size_t f = 0; f < fields.size(); ++f) {
    const Id field = string_type(lengths[f], object);
    require(H5Tinsert(type, fields[f], offset, field), object);
    const std::vector<char> column = padded(columns[f], lengths[f], object);
    for (size_t i = 0; i < records.size(); ++i)
      std::memcpy(&buffer[i * record_bytes + offset], &column[i * lengths[f]], lengths[f]);
    offset += lengths[f];
  }
  write_elements(object, name, true, records.size(), type, type, buffer.data());
}

}  // namespace q::h5
