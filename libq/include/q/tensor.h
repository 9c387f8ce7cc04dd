// Tensors: element type, shape, quantization parameters, and the bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "q/error.h"

namespace q {

enum class DType : uint8_t { kF32, kF64, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool, kI4, kU4, kU2 };

// Names in files and messages: "f32" "f64" "f16" "bf16" "i64" "i32" "i16" "i8" "u8" "bool" "i4" "u4" "u2".
Q_API std::string_view name_of(DType dtype);
// The type of that name; nothing when there is none.
Q_API std::optional<DType> parse_dtype(std::string_view name);
// Bits of one element; 4 and 2 for the packed types.
Q_API int bits_of(DType dtype);
Q_API bool is_integer(DType dtype);
// Smallest and largest value an integer type stores (i64 excluded). Precondition: is_integer(dtype).
Q_API int64_t lowest(DType dtype);
Q_API int64_t highest(DType dtype);

inline constexpr int kMaxRank = 8;
// The extent of a free dimension: the number of samples. A multiple of it, such as -3, is as many for each
// sample.
inline constexpr int64_t kFree = -1;
constexpr bool is_free(int64_t extent) { return extent < 0; }

// Extents in the order of PyTorch and ONNX (NCHW, OIHW). A value type, usable in constant tables.
struct Shape {
  int rank = 0;
  std::array<int64_t, kMaxRank> dims{};

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<int64_t> extents) {
    for (int64_t extent : extents) dims[static_cast<size_t>(rank++)] = extent;
  }
  constexpr int64_t& operator[](int axis) { return dims[static_cast<size_t>(axis)]; }
  constexpr int64_t operator[](int axis) const { return dims[static_cast<size_t>(axis)]; }
  constexpr std::span<const int64_t> extents() const { return {dims.data(), static_cast<size_t>(rank)}; }
  constexpr bool operator==(const Shape&) const = default;
};

// The shape with these extents. Throws when there are more than kMaxRank.
Q_API Shape make_shape(std::span<const int64_t> extents);
// Product of the extents, 1 for rank 0. Throws on a negative extent or when the product overflows int64.
Q_API int64_t elements(const Shape& shape);
// Bytes of a dense tensor; packed types are rounded up to whole bytes. Throws as elements() does.
Q_API size_t bytes(DType dtype, const Shape& shape);
// "[1,3,224,224]", a free extent as "N" or "3N".
Q_API std::string to_string(const Shape& shape);
// The first axis whose extent is free, -1 when none is: where the samples lie.
constexpr int free_axis(const Shape& shape) {
  for (int axis = 0; axis < shape.rank; ++axis)
    if (is_free(shape[axis])) return axis;
  return -1;
}
// axis counted from the front for -rank <= axis < rank; throws otherwise, naming `place`.
Q_API int normalize_axis(int64_t axis, int rank, std::string_view place);

enum class QScheme : uint8_t {
  kPerTensorAffine,
  kPerTensorSymmetric,
  kPerChannelAffine,
  kPerChannelSymmetric
};
// "per_tensor_affine" and so on, PyTorch's names.
Q_API std::string_view name_of(QScheme scheme);
Q_API std::optional<QScheme> parse_qscheme(std::string_view name);
constexpr bool is_per_channel(QScheme s) {
  return s == QScheme::kPerChannelAffine || s == QScheme::kPerChannelSymmetric;
}
constexpr bool is_symmetric(QScheme s) {
  return s == QScheme::kPerTensorSymmetric || s == QScheme::kPerChannelSymmetric;
}

// How integers mean reals: real = scale * (integer - zero_point), per tensor (one entry, axis 0) or per slice
// along `axis`. quant_min and quant_max are the limits of the integers in use, inside those of the storage
// type.
struct QParams {
  QScheme scheme = QScheme::kPerTensorAffine;
  int axis = 0;
  int32_t quant_min = 0, quant_max = 255;
  std::vector<double> scales;
  std::vector<int32_t> zero_points;
  bool operator==(const QParams&) const = default;
};

// Throws unless the scales are finite, positive and have finite positive binary32 values and reciprocals, the
// zero points lie in [quant_min, quant_max] and the limits in the storage type, and their number fits the
// shape. `place` starts the message.
Q_API void check_qparams(const QParams& qparams, DType dtype, const Shape& shape, std::string_view place);

// What is known of a tensor without its bytes.
struct TensorType {
  DType dtype = DType::kF32;
  Shape shape;
  std::optional<QParams> qparams;
  bool operator==(const TensorType&) const = default;
};

// Bytes somebody else owns.
struct View {
  DType dtype = DType::kF32;
  Shape shape;
  const std::byte* data = nullptr;
  const QParams* qparams = nullptr;

  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

struct MutableView {
  DType dtype = DType::kF32;
  Shape shape;
  std::byte* data = nullptr;
  const QParams* qparams = nullptr;

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  operator View() const { return {dtype, shape, data, qparams}; }
};

// A tensor with its bytes, dense in row-major order and aligned to 64 bytes, with 64 readable bytes behind
// them. Copies share the bytes: write only to one that has just been made.
struct Tensor {
  TensorType type;
  std::shared_ptr<std::byte> data;

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data.get());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data.get());
  }
  View view() const { return {type.dtype, type.shape, data.get(), type.qparams ? &*type.qparams : nullptr}; }
  MutableView mutable_view() {
    return {type.dtype, type.shape, data.get(), type.qparams ? &*type.qparams : nullptr};
  }
};

// A new tensor full of zero bytes. Throws when the size overflows or memory is short.
Q_API Tensor make_tensor(TensorType type);
Q_API Tensor make_tensor(DType dtype, const Shape& shape);
// A float32 tensor of these values, in row-major order; throws when their number differs from the shape's.
Q_API Tensor make_tensor(const Shape& shape, std::span<const float> values);
// Same type, shape, qparams and bytes.
Q_API bool equal(const Tensor& a, const Tensor& b);

}  // namespace q
