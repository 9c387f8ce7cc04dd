#include "io/h5_dataset.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"
#include "io/h5_attribute.h"
#include "io/h5_handle.h"

namespace q::h5 {

namespace {

// deflate, the densest of HDF5's usual filters, makes at most this many bytes of one
constexpr uint64_t kDensest = 1032;
constexpr uint64_t kUsualCache = uint64_t{1} << 20;  // HDF5's own choice
// A chunk is unpacked whole, whatever is wanted of it.
constexpr uint64_t kLargestChunk = uint64_t{1} << 30;
// Most memory that the chunks of one dataset may take while it is read row by row.
constexpr uint64_t kLargestCache = uint64_t{256} << 20;
// Bytes that are copied at a time: they stay in the cache of a processor from the reading to the writing.
constexpr uint64_t kPiece = uint64_t{1} << 20;

using Extents = std::array<hsize_t, H5S_MAX_RANK>;

// ---- types ----

bool is_packed(DType dtype) { return bits_of(dtype) < 8; }
bool needs_name(DType dtype) { return is_packed(dtype) || dtype == DType::kBF16; }

Id copy_of(hid_t type, const Object& at) { return Id(require(H5Tcopy(type), at)); }

// IEEE binary16, for which HDF5 has no name but which it converts.
Id half(const Object& at) {
  Id type = copy_of(H5T_IEEE_F32LE, at);
  require(H5Tset_fields(type, 15, 10, 5, 0, 10), at);
  require(H5Tset_size(type, 2), at);
  require(H5Tset_ebias(type, 15), at);
  return type;
}

// The boolean of h5py.
Id boolean(const Object& at) {
  Id type(require(H5Tenum_create(H5T_STD_I8LE), at));
  for (int8_t value : {int8_t{0}, int8_t{1}})
    require(H5Tenum_insert(type, value == 0 ? "FALSE" : "TRUE", &value), at);
  return type;
}

bool is_boolean(hid_t type) {
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
  int8_t no = -1, yes = -1;
  return H5Tenum_valueof(type, "FALSE", &no) >= 0 && no == 0 && H5Tenum_valueof(type, "TRUE", &yes) >= 0 &&
         yes == 1;
}

// In files, and in the memory of the little-endian machines this runs on.
Id type_of(DType dtype, const Object& at) {
  switch (dtype) {
    case DType::kF32:
      return copy_of(H5T_IEEE_F32LE, at);
    case DType::kF64:
      return copy_of(H5T_IEEE_F64LE, at);
    case DType::kF16:
      return half(at);
    case DType::kBF16:
      return copy_of(H5T_STD_U16LE, at);
    case DType::kI64:
      return copy_of(H5T_STD_I64LE, at);
    case DType::kI32:
      return copy_of(H5T_STD_I32LE, at);
    case DType::kI16:
      return copy_of(H5T_STD_I16LE, at);
    case DType::kI8:
      return copy_of(H5T_STD_I8LE, at);
    case DType::kBool:
      return boolean(at);
    case DType::kU8:
    case DType::kI4:
    case DType::kU4:
    case DType::kU2:
      break;
  }
  return copy_of(H5T_STD_U8LE, at);
}

struct StoredType {
  size_t size;
  bool is_signed;
  std::optional<DType> dtype, widened;
  std::string_view name;
};
constexpr StoredType kIntegers[] = {
    {1, false, DType::kU8, DType::kU8, "u8"},      {1, true, DType::kI8, DType::kI8, "i8"},
    {2, false, std::nullopt, DType::kI32, "u16"},  {2, true, DType::kI16, DType::kI16, "i16"},
    {4, false, std::nullopt, DType::kI64, "u32"},  {4, true, DType::kI32, DType::kI32, "i32"},
    {8, false, std::nullopt, std::nullopt, "u64"}, {8, true, DType::kI64, DType::kI64, "i64"},
};
constexpr StoredType kFloats[] = {
    {2, true, DType::kF16, DType::kF32, "f16"},
    {4, true, DType::kF32, DType::kF32, "f32"},
    {8, true, DType::kF64, DType::kF64, "f64"},
};
constexpr StoredType kBoolean = {1, true, DType::kBool, DType::kBool, "bool"};

// Null for a type that none of ours can hold.
const StoredType* stored_type(hid_t type) {
  const size_t size = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      for (const StoredType& each : kIntegers)
        if (each.size == size && each.is_signed == (H5Tget_sign(type) == H5T_SGN_2)) return &each;
      return nullptr;
    case H5T_FLOAT:
      for (const StoredType& each : kFloats)
        if (each.size == size) return &each;
      return nullptr;
    case H5T_ENUM:
      return is_boolean(type) ? &kBoolean : nullptr;
    default:
      return nullptr;
  }
}

std::string_view class_name(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return "integers of an unknown width";
    case H5T_FLOAT:
      return "floats of an unknown width";
    case H5T_ENUM:
      return "an enumeration";
    case H5T_STRING:
      return "strings";
    case H5T_COMPOUND:
      return "records";
    default:
      return "neither integers nor floats";
  }
}

// What unsigned integers stand for, when the attribute `dtype` says that they do.
void apply_named_type(DatasetInfo& info, const Object& dataset) {
  if (!has_attribute(dataset, "dtype") || (info.holds != "u8" && info.holds != "u16")) return;
  const std::optional<DType> dtype = parse_dtype(read_string(dataset, "dtype"));
  if (!dtype || !needs_name(*dtype)) return;
  const std::string_view wanted = is_packed(*dtype) ? "u8" : "u16";
  if (info.holds != wanted)
    refuse(dataset, text("holds ", info.holds, ", wanted ", wanted, " for ", name_of(*dtype)));
  if (is_packed(*dtype)) {
    const Ints extents = read_ints(dataset, "shape");
    size_t wanted_bytes = 0;
    try {
      wanted_bytes = bytes(*dtype, make_shape(extents));
    } catch (const Error& error) {
      refuse(dataset, text("attribute shape: ", error.what()));
    }
    if (info.extents.size() != 1 || static_cast<size_t>(info.extents[0]) != wanted_bytes)
      refuse(dataset, text("wanted ", wanted_bytes, " bytes in one dimension for ", name_of(*dtype), " ",
                           to_string(make_shape(extents))));
    info.extents = extents;
  }
  info.dtype = dtype;
  info.widened = std::nullopt;
  info.holds = name_of(*dtype);
}

// ---- extents and storage ----

uint64_t times(uint64_t a, uint64_t b, const Object& at) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product)) refuse(at, "has more bytes than can be counted");
  return product;
}

Ints extents_of(const Object& dataset) {
  const Id space(require(H5Dget_space(*dataset.id), dataset));
  const int rank = require(H5Sget_simple_extent_ndims(space), dataset);
  Extents extents{};
  require(H5Sget_simple_extent_dims(space, extents.data(), nullptr), dataset);
  Ints out;
  for (int axis = 0; axis < rank; ++axis) {
    const hsize_t extent = extents[static_cast<size_t>(axis)];
    if (extent > INT64_MAX) refuse(dataset, "has more elements than can be counted");
    out.push_back(static_cast<int64_t>(extent));
  }
  return out;
}

size_t element_bytes(const Object& dataset) {
  const Id type(require(H5Dget_type(*dataset.id), dataset));
  return H5Tget_size(type);
}

uint64_t promised_bytes(const Object& dataset) {
  uint64_t total = element_bytes(dataset);
  bool is_empty = false;  // counted apart: an overflow before a 0 is none
  for (int64_t extent : extents_of(dataset)) {
    if (extent == 0)
      is_empty = true;
    else
      total = times(total, static_cast<uint64_t>(extent), dataset);
  }
  return is_empty ? 0 : total;
}

// Of the dataset's creation list; empty when it is not chunked.
Ints chunk_of(hid_t creation, const Object& dataset) {
  if (H5Pget_layout(creation) != H5D_CHUNKED) return {};
  Extents chunk{};
  const int rank = require(H5Pget_chunk(creation, H5S_MAX_RANK, chunk.data()), dataset);
  return Ints(chunk.begin(), chunk.begin() + rank);
}

// A text that HDF5 gives by a function that also tells its length.
template <typename Get>
std::string text_of(const Get& get, const Object& at) {
  std::string out(static_cast<size_t>(require(get(nullptr, 0), at)), '\0');
  require(get(out.data(), out.size() + 1), at);
  return out;
}

// The datasets that a virtual one is made of; none for another. Throws unless all values are in this file,
// and there. Called before anything else is asked of a dataset: to know its extents HDF5 may open what it is
// made of.
std::vector<Object> sources_of(const Object& dataset) {
  const Id creation(require(H5Dget_create_plist(*dataset.id), dataset));
  const auto refuse_outside = [&] { refuse(dataset, "has values in another file, wanted them in this one"); };
  if (H5Pget_external_count(creation) > 0) refuse_outside();
  std::vector<Object> out;
  size_t count = 0;
  if (H5Pget_layout(creation) != H5D_VIRTUAL) return out;
  require(H5Pget_virtual_count(creation, &count), dataset);
  for (size_t i = 0; i < count; ++i) {
    const auto text_by = [&](auto get) {
      return text_of([&](char* to, size_t size) { return get(creation, i, to, size); }, dataset);
    };
    if (text_by(H5Pget_virtual_filename) != ".") refuse_outside();
    const std::string name = text_by(H5Pget_virtual_dsetname);
    const Object at{nullptr, dataset.file, name};
    const hid_t source = H5Dopen2(*dataset.id, name.c_str(), H5P_DEFAULT);
    if (source < 0) refuse(dataset, text("is made of ", name, ", which is not there"));
    out.push_back(adopt(source, dataset, name));
    const Id list(require(H5Dget_create_plist(source), at));
    if (H5Pget_layout(list) == H5D_VIRTUAL)
      refuse(dataset, text("is made of ", name, ", which is made of others, wanted values"));
  }
  return out;
}

// Memory for all chunks that one row touches: with less, each small read of a compressed dataset unpacks them
// again.
size_t useful_cache(const Object& dataset) {
  const Id creation(require(H5Dget_create_plist(*dataset.id), dataset));
  const Ints chunk = chunk_of(creation, dataset);
  if (chunk.empty()) return 0;
  const Ints extents = extents_of(dataset);
  uint64_t total = element_bytes(dataset);
  for (size_t axis = 0; axis < chunk.size(); ++axis) {
    const uint64_t along = std::max<uint64_t>(1, static_cast<uint64_t>(chunk[axis]));
    const uint64_t count = axis == 0 ? 1 : (static_cast<uint64_t>(extents[axis]) + along - 1) / along;
    total = times(times(total, along, dataset), count, dataset);
    if (total > kLargestCache) return kLargestCache;
  }
  return total;
}

// ---- reading and writing ----

// The file's space with these rows selected.
Id select_rows(const Object& dataset, int64_t first, int64_t count) {
  Id space(require(H5Dget_space(*dataset.id), dataset));
  const int rank = require(H5Sget_simple_extent_ndims(space), dataset);
  if (rank == 0) return space;
  Extents extents{}, start{};
  require(H5Sget_simple_extent_dims(space, extents.data(), nullptr), dataset);
  start[0] = static_cast<hsize_t>(first);
  extents[0] = static_cast<hsize_t>(count);
  require(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, extents.data(), nullptr),
          dataset);
  return space;
}

// A space in memory for what is selected, one after the other.
Id dense_space(hid_t selected, const Object& at) {
  const hsize_t count = static_cast<hsize_t>(require(H5Sget_select_npoints(selected), at));
  return Id(require(H5Screate_simple(1, &count, nullptr), at));
}

// Calls body(start, count) for one block of the extents after the other, in row-major order, each of at most
// `most` elements, dense, and the largest that is a range along one axis.
template <typename Body>
void for_each_block(const Ints& extents, uint64_t most, const Body& body) {
  const size_t rank = extents.size();
  Extents start{}, count{};
  uint64_t inner = 1;
  for (int64_t extent : extents) inner *= static_cast<uint64_t>(extent);
  size_t axis = 0;  // of the range: of the axes before it a block has one index, of those behind it all
  for (; axis < rank; ++axis) {
    inner /= static_cast<uint64_t>(extents[axis]);
    count[axis] = 1;
    if (inner <= most) break;
  }
  if (axis == rank) return body(start, count);  // a scalar
  for (size_t behind = axis + 1; behind < rank; ++behind)
    count[behind] = static_cast<hsize_t>(extents[behind]);
  const hsize_t step = std::max<hsize_t>(1, most / inner);
  for (;;) {
    const auto end = [&](size_t i) { return static_cast<hsize_t>(extents[i]); };
    count[axis] = std::min(step, end(axis) - start[axis]);
    body(start, count);
    start[axis] += count[axis];
    for (size_t i = axis; start[i] == end(i); ++start[--i]) {
      if (i == 0) return;
      start[i] = 0;
    }
  }
}

// Files may hold any byte where a boolean is wanted.
void make_booleans(std::byte* data, size_t count) {
  for (size_t i = 0; i < count; ++i) data[i] = std::byte{data[i] != std::byte{0}};
}

}  // namespace

Object open_dataset_at(const Object& group, const std::string& path) {
  const Session session(group.file);
  const Object at{nullptr, group.file, path_below(group, path)};
  Object plain = adopt(require(H5Dopen2(*group.id, path.c_str(), H5P_DEFAULT), at), group, at.path);
  sources_of(plain);
  const size_t cache = useful_cache(plain);
  if (cache <= kUsualCache) return plain;
  const Id access(require(H5Pcreate(H5P_DATASET_ACCESS), at));
  require(H5Pset_chunk_cache(access, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, cache, H5D_CHUNK_CACHE_W0_DEFAULT), at);
  plain.id.reset();  // the cache belongs to the first opening
  return adopt(require(H5Dopen2(*group.id, path.c_str(), access), at), group, at.path);
}

DatasetInfo describe(const Object& dataset) {
  const Session session(dataset.file);
  DatasetInfo info;
  const Id space(require(H5Dget_space(*dataset.id), dataset)),
      type(require(H5Dget_type(*dataset.id), dataset));
  if (H5Sget_simple_extent_type(space) == H5S_NULL) {
    info.holds = "nothing";
    return info;
  }
  info.extents = extents_of(dataset);
  if (const StoredType* stored = stored_type(type)) {
    info.dtype = stored->dtype;
    info.widened = stored->widened;
    info.holds = stored->name;
    apply_named_type(info, dataset);
  } else {
    info.holds = class_name(type);
  }
  return info;
}

void check_stored(const Object& dataset) {
  const Session session(dataset.file);
  const std::vector<Object> sources = sources_of(dataset);
  const uint64_t promised = promised_bytes(dataset), stored = H5Dget_storage_size(*dataset.id);
  const haddr_t offset = H5Dget_offset(*dataset.id);
  if (offset != HADDR_UNDEF) {  // all in one piece
    const uint64_t in_file = file_bytes(dataset);
    if (offset > in_file || promised > in_file - offset)
      refuse(dataset,
             text("promises ", promised, " bytes, the file has ", in_file - std::min(in_file, offset)));
    if (promised > stored) refuse(dataset, text("promises ", promised, " bytes, the file holds ", stored));
    return;
  }
  const Id creation(require(H5Dget_create_plist(*dataset.id), dataset));
  uint64_t limit = stored, largest = promised;
  if (!sources.empty()) {
    uint64_t held = 0;
    for (const Object& source : sources) {
      check_stored(source);
      if (__builtin_add_overflow(held, promised_bytes(source), &held))
        refuse(dataset, "has more bytes than can be counted");
    }
    if (promised > held)
      refuse(dataset, text("promises ", promised, " bytes, what it is made of holds ", held));
    return;
  }
  switch (H5Pget_layout(creation)) {
    case H5D_CHUNKED: {
      uint64_t chunk = element_bytes(dataset);
      for (int64_t extent : chunk_of(creation, dataset))
        chunk = times(chunk, static_cast<uint64_t>(extent), dataset);
      if (chunk > kLargestChunk)
        refuse(dataset, text("has chunks of ", chunk, " bytes, wanted at most ", kLargestChunk));
      if (require(H5Pget_nfilters(creation), dataset) > 0) limit = times(stored, kDensest, dataset);
      if (promised > 0) largest = std::max(promised, chunk);
      break;
    }
    default:
      break;
  }
  if (stored > file_bytes(dataset))
    refuse(dataset, text("promises ", stored, " bytes, the file has ", file_bytes(dataset)));
  if (largest > limit) refuse(dataset, text("promises ", largest, " bytes, the file holds ", stored));
}

void read_all(const Object& dataset, DType dtype, std::byte* to) {
  const Session session(dataset.file);
  if (promised_bytes(dataset) == 0) return;
  const Id type = type_of(dtype, dataset);
  require(H5Dread(*dataset.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, to), dataset);
  if (dtype == DType::kBool) make_booleans(to, promised_bytes(dataset));
}

void read_rows(const Object& dataset, DType widened, int64_t first, int64_t count, std::byte* to) {
  const Session session(dataset.file);
  const Id type = type_of(widened, dataset), selected = select_rows(dataset, first, count);
  const Id memory = dense_space(selected, dataset);
  if (H5Sget_select_npoints(selected) == 0) return;
  require(H5Dread(*dataset.id, type, memory, selected, H5P_DEFAULT, to), dataset);
  if (widened == DType::kBool) make_booleans(to, static_cast<size_t>(H5Sget_select_npoints(selected)));
}

Object create_dataset(const Object& parent, const std::string& name, DType dtype, const Shape& shape) {
  const Session session(parent.file);
  const Object at{nullptr, parent.file, path_below(parent, name)};
  const Id links = link_creation(at), creation = object_creation(H5P_DATASET_CREATE, at),
           type = type_of(dtype, at);
  Extents extents{};
  std::copy(shape.extents().begin(), shape.extents().end(), extents.begin());
  int rank = shape.rank;
  if (is_packed(dtype)) {
    extents[0] = bytes(dtype, shape);
    rank = 1;
  }
  const Id space(
      require(rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, extents.data(), nullptr), at));
  Object dataset =
      adopt(require(H5Dcreate2(*parent.id, name.c_str(), type, space, links, creation, H5P_DEFAULT), at),
            parent, at.path);
  if (needs_name(dtype)) write_attribute(dataset, "dtype", std::string(name_of(dtype)));
  if (is_packed(dtype))
    write_attribute(dataset, "shape", Ints(shape.extents().begin(), shape.extents().end()));
  return dataset;
}

void write_all(const Object& dataset, DType dtype, const std::byte* data) {
  const Session session(dataset.file);
  if (promised_bytes(dataset) == 0) return;
  const Id type = type_of(dtype, dataset);
  require(H5Dwrite(*dataset.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), dataset);
}

void copy_all(const Object& from, const Object& to, DType dtype,
              const std::function<void(const std::byte*, size_t)>& inspect) {
  const Session session(from.file);
  const uint64_t total = promised_bytes(to), element = element_bytes(to);
  if (total == 0) return;
  // chunks are compressed, perhaps: each piece would unpack them again
  const bool is_dense = H5Dget_offset(*from.id) != HADDR_UNDEF;
  const uint64_t most = is_dense ? std::min(total, kPiece) : total;
  const auto piece = std::make_unique_for_overwrite<std::byte[]>(most);
  const Id type = type_of(dtype, to), source(require(H5Dget_space(*from.id), from)),
           target(require(H5Dget_space(*to.id), to));
  for_each_block(extents_of(to), most / element, [&](const Extents& start, const Extents& count) {
    for (hid_t space : {hid_t{source}, hid_t{target}})
      if (H5Sget_simple_extent_ndims(space) > 0)
        require(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), to);
    const Id memory = dense_space(target, to);
    const size_t elements = static_cast<size_t>(H5Sget_select_npoints(target));
    require(H5Dread(*from.id, type, memory, source, H5P_DEFAULT, piece.get()), from);
    if (dtype == DType::kBool) make_booleans(piece.get(), elements);
    inspect(piece.get(), elements * element);
    require(H5Dwrite(*to.id, type, memory, target, H5P_DEFAULT, piece.get()), to);
  });
}

void write_rows(const Object& dataset, DType dtype, int64_t first, int64_t count, const std::byte* data) {
  const Session session(dataset.file);
  const Id type = type_of(dtype, dataset), selected = select_rows(dataset, first, count);
  const Id memory = dense_space(selected, dataset);
  if (H5Sget_select_npoints(selected) == 0) return;
  require(H5Dwrite(*dataset.id, type, memory, selected, H5P_DEFAULT, data), dataset);
}

}  // namespace q::h5
