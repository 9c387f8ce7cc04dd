#include "io/tensor_dataset.h"

#include "base/text.h"
#include "io/h5_dataset.h"
#include "io/qparams_attributes.h"

namespace q {

TensorType read_tensor_type(const h5::Object& dataset) {
  const h5::DatasetInfo info = h5::describe(dataset);
  if (!info.dtype)
    h5::refuse(dataset, text("holds ", info.holds, ", wanted f32, i8 or another type of q-model(5)"));
  if (info.extents.size() > kMaxRank)
    h5::refuse(dataset, text("rank ", info.extents.size(), ", wanted at most ", kMaxRank));
  h5::check_stored(dataset);
  return {*info.dtype, make_shape(info.extents), std::nullopt};
}

Tensor read_tensor(const h5::Object& dataset, const TensorType& type) {
  Tensor tensor;
  try {
    tensor = make_tensor(type);
  } catch (const Error& error) {
    throw Error(error.kind(), text(h5::place_of(dataset), ": ", error.what()));
  }
  h5::read_all(dataset, type.dtype, tensor.data.get());
  return tensor;
}

h5::Object create_tensor(const h5::Object& parent, const std::string& name, const TensorType& type) {
  h5::Object dataset = h5::create_dataset(parent, name, type.dtype, type.shape);
  if (type.qparams) write_qparams(dataset, *type.qparams);
  return dataset;
}

void write_tensor(const h5::Object& parent, const std::string& name, const Tensor& tensor) {
  h5::write_all(create_tensor(parent, name, tensor.type), tensor.type.dtype, tensor.data.get());
}

}  // namespace q
