#include "io/constants.h"

#include <cassert>
#include <cstring>
#include <memory>

#include "io/h5_dataset.h"
#include "io/names.h"
#include "io/tensor_dataset.h"

namespace q {

namespace {

// So many elements are looked at before one of them is asked for: a loop without a way out is vectorized.
constexpr size_t kRun = 256;

// bits: of one IEEE-like element, with its exponent where `exponent` is set.
template <typename Bits>
bool is_finite(const std::byte* data, Bits exponent) {
  Bits bits;
  std::memcpy(&bits, data, sizeof(Bits));
  return (bits & exponent) != exponent;
}

template <typename Bits>
bool all_finite(const std::byte* data, size_t count, Bits exponent) {
  for (; count >= kRun; count -= kRun, data += kRun * sizeof(Bits)) {
    Bits all = 1;
    for (size_t i = 0; i < kRun; ++i) all &= is_finite(data + i * sizeof(Bits), exponent);
    if (all == 0) return false;
  }
  for (size_t i = 0; i < count; ++i)
    if (!is_finite(data + i * sizeof(Bits), exponent)) return false;
  return true;
}

// `size` bytes of elements of a float type; those of any other are finite.
bool all_finite(DType dtype, const std::byte* data, size_t size) {
  switch (dtype) {
    case DType::kF32:
      return all_finite<uint32_t>(data, size / 4, 0x7f800000u);
    case DType::kF64:
      return all_finite<uint64_t>(data, size / 8, 0x7ff0000000000000u);
    case DType::kF16:
      return all_finite<uint16_t>(data, size / 2, 0x7c00u);
    case DType::kBF16:
      return all_finite<uint16_t>(data, size / 2, 0x7f80u);
    default:
      return true;
  }
}

void refuse_not_finite(const h5::Object& at, DType dtype, const std::byte* data, size_t size) {
  if (!all_finite(dtype, data, size)) h5::refuse(at, "holds NaN or infinity");
}

struct Stored {
  h5::Object parent;
  h5::Link link;
  TensorType type;

  // Opened whenever it is used: thousands of open datasets would cost memory.
  h5::Object open() const { return h5::open_dataset(parent, link); }
};

// The function inside a Constant, by which the writer knows what lies in a file. Shared, because graphs are
// copied more often than read.
struct StoredConstant {
  std::shared_ptr<const Stored> stored;

  Tensor operator()() const {
    const h5::Object dataset = stored->open();
    Tensor tensor = read_tensor(dataset, stored->type);
    refuse_not_finite(dataset, tensor.type.dtype, tensor.data.get(),
                      bytes(tensor.type.dtype, tensor.type.shape));
    return tensor;
  }
};

}  // namespace

Constant stored_constant(const h5::Object& parent, const h5::Link& link, TensorType type) {
  return StoredConstant{std::make_shared<const Stored>(Stored{parent, link, std::move(type)})};
}

void write_constant(const h5::Object& parent, const Value& value) {
  const TensorType& type = value.type;
  const auto create = [&](const TensorType& found) {
    assert(found.dtype == type.dtype && found.shape == type.shape);
    return create_tensor(parent, escape_name(value.name), type);
  };
  if (const auto* constant = value.constant.target<StoredConstant>()) {
    const h5::Object from = constant->stored->open(), to = create(constant->stored->type);
    h5::copy_all(from, to, type.dtype, [&](const std::byte* data, size_t size) {
      refuse_not_finite(from, type.dtype, data, size);
    });
    return;
  }
  const Tensor tensor = value.constant();
  const h5::Object to = create(tensor.type);
  refuse_not_finite(to, type.dtype, tensor.data.get(), bytes(type.dtype, type.shape));
  h5::write_all(to, type.dtype, tensor.data.get());
}

}  // namespace q
