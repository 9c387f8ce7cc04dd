#include "onnx/tensor.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/text.h"

namespace q {

namespace {

static_assert(std::endian::native == std::endian::little,
              "raw data of ONNX is little-endian and copied as it is");

using onnx::TensorProto;

// IEEE 754 binary16.
struct Half {
  uint16_t bits;
  explicit operator double() const {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double magnitude = std::ldexp(mantissa + (exponent > 0 ? 1024 : 0), std::max(exponent, 1) - 25);
    if (exponent == 31) magnitude = mantissa == 0 ? HUGE_VAL : std::numeric_limits<double>::quiet_NaN();
    return bits >> 15 != 0 ? -magnitude : magnitude;
  }
};

// The upper half of a binary32.
struct Brain {
  uint16_t bits;
  explicit operator double() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

template <typename Stored>
Stored element(std::string_view bytes, int64_t index) {
  Stored value;
  std::memcpy(&value, bytes.data() + static_cast<size_t>(index) * sizeof(Stored), sizeof(Stored));
  return value;
}

// Stored elements as those of `to`, which has as many.
template <typename Stored, typename Ours>
void convert_integers(std::string_view bytes, Tensor& to) {
  const int64_t count = elements(to.type.shape);
  for (int64_t i = 0; i < count; ++i) to.as<Ours>()[i] = static_cast<Ours>(element<Stored>(bytes, i));
}

[[noreturn]] void refuse_nan(int64_t index) {
  throw Error(ErrorKind::kInvalid, text("element ", index, " is NaN, wanted a number"));
}

void copy_floats(std::string_view bytes, Tensor& to) {
  float* values = to.as<float>();
  float* end = values + elements(to.type.shape);
  if (!bytes.empty()) std::memcpy(values, bytes.data(), bytes.size());
  const float* nan = std::find_if(values, end, [](float value) { return std::isnan(value); });
  if (nan != end) refuse_nan(nan - values);
}

template <typename Stored>
void convert_reals(std::string_view bytes, Tensor& to) {
  const int64_t count = elements(to.type.shape);
  for (int64_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(element<Stored>(bytes, i));
    if (std::isnan(value)) refuse_nan(i);
    to.as<float>()[i] = static_cast<float>(value);
    if (std::isinf(to.as<float>()[i]) && !std::isinf(value))
      throw Error(ErrorKind::kUnsupported, text("element ", i, " is ", number(value), ", wanted at most ",
                                                number(std::numeric_limits<float>::max())));
  }
}

// One of the typed fields as the bytes that raw_data would hold.
template <typename Stored, typename Field>
std::string packed(const Field& field) {
  std::string out(static_cast<size_t>(field.size()) * sizeof(Stored), '\0');
  for (int i = 0; i < field.size(); ++i) {
    const Stored value = static_cast<Stored>(field.Get(i));
    std::memcpy(out.data() + static_cast<size_t>(i) * sizeof(Stored), &value, sizeof(Stored));
  }
  return out;
}

struct Format {
  TensorProto::DataType type;
  DType ours;
  size_t element_bytes;
  std::string (*packed)(const TensorProto&);
  void (*convert)(std::string_view bytes, Tensor& to);
};

constexpr Format kFormats[] = {
    {TensorProto::FLOAT, DType::kF32, 4, [](const TensorProto& t) { return packed<float>(t.float_data()); },
     copy_floats},
    {TensorProto::DOUBLE, DType::kF32, 8,
     [](const TensorProto& t) { return packed<double>(t.double_data()); }, convert_reals<double>},
    {TensorProto::FLOAT16, DType::kF32, 2,
     [](const TensorProto& t) { return packed<uint16_t>(t.int32_data()); }, convert_reals<Half>},
    {TensorProto::BFLOAT16, DType::kF32, 2,
     [](const TensorProto& t) { return packed<uint16_t>(t.int32_data()); }, convert_reals<Brain>},
    {TensorProto::INT64, DType::kI64, 8, [](const TensorProto& t) { return packed<int64_t>(t.int64_data()); },
     convert_integers<int64_t, int64_t>},
    {TensorProto::INT32, DType::kI64, 4, [](const TensorProto& t) { return packed<int32_t>(t.int32_data()); },
     convert_integers<int32_t, int64_t>},
    {TensorProto::INT16, DType::kI64, 2, [](const TensorProto& t) { return packed<int16_t>(t.int32_data()); },
     convert_integers<int16_t, int64_t>},
    {TensorProto::UINT16, DType::kI64, 2,
     [](const TensorProto& t) { return packed<uint16_t>(t.int32_data()); },
     convert_integers<uint16_t, int64_t>},
    {TensorProto::UINT32, DType::kI64, 4,
     [](const TensorProto& t) { return packed<uint32_t>(t.uint64_data()); },
     convert_integers<uint32_t, int64_t>},
    {TensorProto::UINT8, DType::kU8, 1, [](const TensorProto& t) { return packed<uint8_t>(t.int32_data()); },
     convert_integers<uint8_t, uint8_t>},
    {TensorProto::INT8, DType::kI8, 1, [](const TensorProto& t) { return packed<int8_t>(t.int32_data()); },
     convert_integers<int8_t, int8_t>},
    {TensorProto::BOOL, DType::kBool, 1, [](const TensorProto& t) { return packed<uint8_t>(t.int32_data()); },
     convert_integers<uint8_t, bool>},
};

const Format& format_of(const TensorProto& proto) {
  for (const Format& format : kFormats)
    if (format.type == proto.data_type()) return format;
  throw Error(ErrorKind::kUnsupported,
              text("type ", type_name(proto.data_type()),
                   ", wanted float, double, float16, bfloat16, bool or integers other than uint64"));
}

Shape shape_of(const TensorProto& proto) {
  const Shape shape = make_shape(std::vector<int64_t>{proto.dims().begin(), proto.dims().end()});
  for (int64_t extent : shape.extents())
    if (extent < 0) throw Error(ErrorKind::kInvalid, text("extent ", extent, ", wanted none below 0"));
  return shape;
}

// Where in which file the bytes of a tensor are.
struct External {
  std::string file;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

uint64_t parse_count(const std::string& key, const std::string& value) {
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size())
    throw Error(ErrorKind::kInvalid, text("external ", key, " \"", value, "\", wanted a number of bytes"));
  return count;
}

External external_of(const TensorProto& proto) {
  External out;
  for (const onnx::StringStringEntryProto& entry : proto.external_data()) {
    if (entry.key() == "location") out.file = entry.value();
    if (entry.key() == "offset") out.offset = parse_count("offset", entry.value());
    if (entry.key() == "length") out.length = parse_count("length", entry.value());
  }
  return out;
}

// The file must lie in the model's folder or below, links followed: a model is data, and may not read what it
// likes.
void check_location(const std::string& file, const std::string& folder) {
  const std::filesystem::path path(file);
  const bool leaves = path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
  if (file.empty() || leaves || file.find('\0') != std::string::npos)
    throw Error(ErrorKind::kInvalid,
                text("external file \"", file, "\", wanted one in the folder of the model"));
  std::error_code error;
  const std::filesystem::path root = std::filesystem::canonical(folder.empty() ? "." : folder, error),
                              real = std::filesystem::canonical(std::filesystem::path(folder) / file, error);
  if (!error && std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end())
    throw Error(ErrorKind::kInvalid,
                text("external file ", file, ": is a link that leaves the folder of the model"));
}

std::string read_external(const External& from, const std::string& folder, size_t size) {
  check_location(from.file, folder);
  const std::string place = text("external file ", from.file);
  const std::filesystem::path path = std::filesystem::path(folder) / from.file;
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw Error(ErrorKind::kSystem, text(place, ": no such file"));
  if (!std::filesystem::is_regular_file(status))
    throw Error(ErrorKind::kInvalid, text(place, ": no regular file"));
  const uint64_t file_bytes = std::filesystem::file_size(path, error);
  const uint64_t rest = from.offset <= file_bytes ? file_bytes - from.offset : 0;
  const bool has_other_length = from.length.value_or(size) != size;
  if (has_other_length || rest < size)
    throw Error(ErrorKind::kInvalid, text(place, ": ", has_other_length ? *from.length : rest, " bytes from ",
                                          from.offset, " on, wanted ", size));
  std::ifstream file(path, std::ios::binary);
  std::string bytes(size, '\0');
  file.seekg(static_cast<std::streamoff>(from.offset));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size)))
    throw Error(ErrorKind::kSystem, text(place, ": ", std::strerror(errno)));
  return bytes;
}

}  // namespace

std::string type_name(int type) {
  if (!TensorProto::DataType_IsValid(type)) return std::to_string(type);
  std::string name = TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type));
  for (char& letter : name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return name;
}

Tensor read_tensor(const TensorProto& proto, const std::optional<std::string>& folder) {
  const Format& format = format_of(proto);
  const Shape shape = shape_of(proto);
  if (proto.has_segment()) throw Error(ErrorKind::kUnsupported, "is stored in segments, wanted it whole");
  size_t size;
  if (__builtin_mul_overflow(static_cast<size_t>(elements(shape)), format.element_bytes, &size))
    throw Error(ErrorKind::kInvalid, text("shape ", to_string(shape), " has more bytes than can be counted"));

  std::string own;
  std::string_view bytes;
  if (proto.data_location() == TensorProto::EXTERNAL) {
    if (!folder)
      throw Error(ErrorKind::kUnsupported, "is in an external file, wanted a model given by its path");
    bytes = own = read_external(external_of(proto), *folder, size);
  } else if (proto.has_raw_data()) {
    const int others = proto.float_data_size() + proto.double_data_size() + proto.int32_data_size() +
                       proto.int64_data_size() + proto.uint64_data_size();
    if (others > 0)
      throw Error(ErrorKind::kInvalid, text("has its elements twice, as bytes and as ", others, " numbers"));
    bytes = proto.raw_data();
  } else {
    bytes = own = format.packed(proto);
  }
  if (bytes.size() != size)
    throw Error(ErrorKind::kInvalid, text(bytes.size() / format.element_bytes, " elements, wanted ",
                                          elements(shape), " for shape ", to_string(shape)));
  Tensor out = make_tensor(format.ours, shape);
  format.convert(bytes, out);
  return out;
}

namespace {

template <typename T>
Tensor as_reals_of(const Tensor& integers, std::string_view place) {
  Tensor out = make_tensor(DType::kF32, integers.type.shape);
  for (int64_t i = 0; i < elements(integers.type.shape); ++i) {
    const T from = integers.as<T>()[i];
    const float to = static_cast<float>(from);
    if (static_cast<double>(to) != static_cast<double>(from) || std::abs(static_cast<double>(to)) >= 0x1p53)
      throw Error(ErrorKind::kUnsupported, text(place, ": holds ", from, ", which float32 does not"));
    out.as<float>()[i] = to;
  }
  return out;
}

}  // namespace

Tensor as_reals(const Tensor& integers, std::string_view place) {
  switch (integers.type.dtype) {
    case DType::kI64:
      return as_reals_of<int64_t>(integers, place);
    case DType::kI32:
      return as_reals_of<int32_t>(integers, place);
    case DType::kI8:
      return as_reals_of<int8_t>(integers, place);
    case DType::kU8:
    case DType::kBool:
      return as_reals_of<uint8_t>(integers, place);
    default:
      throw Error(ErrorKind::kUnsupported,
                  text(place, ": ", name_of(integers.type.dtype), ", wanted f32 or integers"));
  }
}

}  // namespace q
