// Whole tensors as datasets.
#pragma once

#include <string>

#include "io/h5.h"
#include "q/tensor.h"

namespace q {

// Type of the tensor in a dataset, without its qparams. Throws when no tensor can be like it, or its file
// cannot hold it.
TensorType read_tensor_type(const h5::Object& dataset);
// The tensor in a dataset. type: as read_tensor_type() gives it, perhaps with qparams.
Tensor read_tensor(const h5::Object& dataset, const TensorType& type);
// A new dataset for a tensor of that type, with its qparams as attributes.
h5::Object create_tensor(const h5::Object& parent, const std::string& name, const TensorType& type);
// The same with its elements.
void write_tensor(const h5::Object& parent, const std::string& name, const Tensor& tensor);

}  // namespace q
