#include "ops/shared/evaluate.h"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "ops/shared/unary.h"

namespace q {

Shape unsqueezed(const Shape& shape, int rank) {
  if (shape.rank >= rank) return shape;
  Shape out;
  out.rank = rank;
  for (int axis = 0; axis < rank; ++axis)
    out[axis] = axis < rank - shape.rank ? 1 : shape[axis - (rank - shape.rank)];
  return out;
}

bool can_evaluate(const OpDef& op, int rank) {
  return (op.f32 != nullptr || op.unary != nullptr) &&
         (op.layout != Layout::kChannelsLast || rank < 3 || rank > 5);
}

std::vector<Tensor> evaluate(const OpDef& op, const Attrs& attrs, std::span<const Tensor> in) {
  int rank = 0;
  for (const Tensor& tensor : in) rank = std::max(rank, tensor.type.shape.rank);
  std::vector<TensorType> in_types;
  std::vector<View> in_views;
  for (const Tensor& tensor : in) {
    TensorType type = tensor.type;
    if (op.layout == Layout::kAny) type.shape = unsqueezed(type.shape, rank);
    in_types.push_back(type);
    in_views.push_back({type.dtype, type.shape, tensor.data.get(), nullptr});
  }
  std::vector<TensorType> out_types;
  for (const Shape& shape : op.infer(attrs, in_types))
    out_types.push_back({DType::kF32, shape, std::nullopt});
  std::vector<Tensor> out;
  std::vector<MutableView> out_views;
  for (const TensorType& type : out_types) {
    out.push_back(make_tensor(type));
    out_views.push_back(out.back().mutable_view());
  }
  const CompileCall call{attrs, in_types, out_types, in_views, *kernels_up_to("generic")};
  const Run run = op.f32 != nullptr ? op.f32(call) : compile_unary_f32(op, call);
  run({in_views, out_views});
  return out;
}

bool all_finite(const Tensor& tensor) {
  if (tensor.type.dtype != DType::kF32) return true;
  const float* values = tensor.as<float>();
  return std::all_of(values, values + elements(tensor.type.shape), [](float x) { return std::isfinite(x); });
}

}  // namespace q
