#include "q/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/memory.h"
#include "base/text.h"

namespace q {

namespace {

struct DTypeInfo {
  std::string_view name;
  int bits;
  bool integer;
  int64_t lowest, highest;
};

constexpr DTypeInfo kDTypes[] = {
    {"f32", 32, false, 0, 0},
    {"f64", 64, false, 0, 0},
    {"f16", 16, false, 0, 0},
    {"bf16", 16, false, 0, 0},
    {"i64", 64, true, INT64_MIN, INT64_MAX},
    {"i32", 32, true, INT32_MIN, INT32_MAX},
    {"i16", 16, true, INT16_MIN, INT16_MAX},
    {"i8", 8, true, INT8_MIN, INT8_MAX},
    {"u8", 8, true, 0, UINT8_MAX},
    {"bool", 8, false, 0, 1},
    {"i4", 4, true, -8, 7},
    {"u4", 4, true, 0, 15},
    {"u2", 2, true, 0, 3},
};

constexpr std::string_view kSchemes[] = {"per_tensor_affine", "per_tensor_symmetric", "per_channel_affine",
                                         "per_channel_symmetric"};

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

constexpr size_t kAlignment = 64;
// Kernels may read whole vectors behind the last element.
constexpr size_t kSlack = 64;

// Asks for large pages where whole ones fit: a fault for each of 4 kB costs more than filling it. Where there
// are none, nothing changes.
void prefer_large_pages(std::byte* data, size_t size) {
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + kPage - 1) / kPage * kPage, last = (begin + size) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace

std::string_view name_of(DType dtype) { return info(dtype).name; }
int bits_of(DType dtype) { return info(dtype).bits; }
bool is_integer(DType dtype) { return info(dtype).integer; }
int64_t lowest(DType dtype) { return info(dtype).lowest; }
int64_t highest(DType dtype) { return info(dtype).highest; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < std::size(kDTypes); ++i)
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

std::string_view name_of(QScheme scheme) { return kSchemes[static_cast<size_t>(scheme)]; }

std::optional<QScheme> parse_qscheme(std::string_view name) {
  for (size_t i = 0; i < std::size(kSchemes); ++i)
    if (kSchemes[i] == name) return static_cast<QScheme>(i);
  return std::nullopt;
}

Shape make_shape(std::span<const int64_t> extents) {
  if (extents.size() > kMaxRank)
    throw Error(ErrorKind::kInvalid, text("rank ", extents.size(), ", wanted at most ", kMaxRank));
  Shape shape;
  for (int64_t extent : extents) shape.dims[static_cast<size_t>(shape.rank++)] = extent;
  return shape;
}

int64_t elements(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape.extents()) {
    if (extent < 0)
      throw Error(ErrorKind::kInvalid, text("shape ", to_string(shape), ", wanted known extents"));
    if (__builtin_mul_overflow(count, extent, &count))
      throw Error(ErrorKind::kInvalid,
                  text("shape ", to_string(shape), " has more elements than can be counted"));
  }
  return count;
}

size_t bytes(DType dtype, const Shape& shape) {
  int64_t bits;
  if (__builtin_mul_overflow(elements(shape), static_cast<int64_t>(bits_of(dtype)), &bits))
    throw Error(ErrorKind::kInvalid, text("shape ", to_string(shape), " has more bytes than can be counted"));
  return static_cast<size_t>(bits / 8 + (bits % 8 != 0));
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (int axis = 0; axis < shape.rank; ++axis) {
    if (axis > 0) out += ',';
    if (is_free(shape[axis]))
      out += (shape[axis] == kFree ? "" : std::to_string(-shape[axis])) + "N";
    else
      out += std::to_string(shape[axis]);
  }
  return out + "]";
}

int normalize_axis(int64_t axis, int rank, std::string_view place) {
  if (axis < -rank || axis >= rank)
    throw Error(ErrorKind::kInvalid, text(place, ": axis ", axis, ", wanted ", -rank, " to ", rank - 1));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

void check_qparams(const QParams& qparams, DType dtype, const Shape& shape, std::string_view place) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kInvalid, text(place, ": ", what));
  };
  if (!is_integer(dtype) || dtype == DType::kI64)
    fail(text("type ", name_of(dtype), ", wanted integers of at most 32 bits"));
  if (qparams.quant_min >= qparams.quant_max || qparams.quant_min < lowest(dtype) ||
      qparams.quant_max > highest(dtype))
    fail(text("quantized range ", qparams.quant_min, "..", qparams.quant_max, ", wanted one inside ",
              lowest(dtype), "..", highest(dtype)));
  size_t count = 1;
  if (is_per_channel(qparams.scheme)) {
    if (qparams.axis < 0 || qparams.axis >= shape.rank)
      fail(text("channel axis ", qparams.axis, ", wanted 0 to ", shape.rank - 1));
    count = static_cast<size_t>(shape[qparams.axis]);
  }
  if (qparams.scales.size() != count || qparams.zero_points.size() != count)
    fail(text(qparams.scales.size(), " scales and ", qparams.zero_points.size(), " zero points, wanted ",
              count, " of each"));
  for (double scale : qparams.scales) {
    const float narrow = static_cast<float>(scale);
    if (!(narrow > 0) || !std::isfinite(narrow) || !std::isfinite(1 / narrow))
      fail(text("scale ", number(scale), ", wanted a positive number whose reciprocal is finite"));
  }
  for (int32_t zero_point : qparams.zero_points)
    if (zero_point < qparams.quant_min || zero_point > qparams.quant_max)
      fail(text("zero point ", zero_point, ", wanted ", qparams.quant_min, " to ", qparams.quant_max));
}

Tensor make_tensor(TensorType type) {
  const size_t size = bytes(type.dtype, type.shape);
  if (size > SIZE_MAX - kSlack - kAlignment)
    throw Error(ErrorKind::kSystem, text(size, " bytes do not fit in memory"));
  // calloc, unlike an aligned allocation, knows what the system has cleared already
  check_memory(size);
  const std::shared_ptr<void> owner(std::calloc(size + kSlack + kAlignment, 1), std::free);
  if (owner == nullptr)
    throw Error(ErrorKind::kSystem, text("out of memory for ", memory_words(size), " more"));
  const size_t past = reinterpret_cast<uintptr_t>(owner.get()) % kAlignment;
  std::byte* data = static_cast<std::byte*>(owner.get()) + (kAlignment - past);
  prefer_large_pages(data, size);
  return {std::move(type), std::shared_ptr<std::byte>(owner, data)};
}

Tensor make_tensor(DType dtype, const Shape& shape) { return make_tensor({dtype, shape, std::nullopt}); }

Tensor make_tensor(const Shape& shape, std::span<const float> values) {
  if (static_cast<size_t>(elements(shape)) != values.size())
    throw Error(ErrorKind::kInvalid,
                text(values.size(), " values, wanted ", elements(shape), " for shape ", to_string(shape)));
  Tensor tensor = make_tensor(DType::kF32, shape);
  std::copy(values.begin(), values.end(), tensor.as<float>());
  return tensor;
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.type == b.type && std::memcmp(a.data.get(), b.data.get(), bytes(a.type.dtype, a.type.shape)) == 0;
}

}  // namespace q
