#include "ops/shared/rows.h"

#include <type_traits>

#include "base/text.h"
#include "ops/shared/samples.h"

namespace q {

void check_table(const TensorType& weight) {
  const Shape& shape = weight.shape;
  if (shape.rank != 2)
    throw Error(ErrorKind::kInvalid,
                text("weight is ", to_string(shape), ", wanted [positions,elements of each]"));
  if (free_axis(shape) != kNone)
    throw mixes_samples(text("weight is ", to_string(shape), ", wanted one that is the same for all"));
}

template <typename T>
std::shared_ptr<const std::vector<T>> table_of_weight(const CompileCall& call) {
  constexpr DType kWanted = std::is_same_v<T, float> ? DType::kF32 : DType::kI8;
  const View& weight = call.constants[1];
  if (call.in[1].dtype != kWanted)
    throw Error(ErrorKind::kInvalid,
                text("weight is ", name_of(call.in[1].dtype), ", wanted ", name_of(kWanted)));
  if (weight.data == nullptr) throw Error(ErrorKind::kUnsupported, "weight is computed, wanted a constant");
  const T* first = weight.as<T>();
  return std::make_shared<const std::vector<T>>(first, first + elements(call.in[1].shape));
}

template std::shared_ptr<const std::vector<float>> table_of_weight(const CompileCall& call);
template std::shared_ptr<const std::vector<int8_t>> table_of_weight(const CompileCall& call);

RowReals::RowReals(const TensorType& weight) : columns_(weight.shape[1]) {
  if (weight.dtype != DType::kI8 || !weight.qparams ||
      (is_per_channel(weight.qparams->scheme) && weight.qparams->axis != 0))
    throw Error(ErrorKind::kUnsupported,
                text("weight is ", name_of(weight.dtype), ", wanted i8 with one scale or one for each row"));
  qparams_ = *weight.qparams;
}

void RowReals::get(const int8_t* weight, int64_t row, int64_t first, int64_t count, float* out) const {
  const size_t channel = is_per_channel(qparams_.scheme) ? static_cast<size_t>(row) : 0;
  const double scale =  // of all rows, scales are binary32 (dequantize_value)
      is_per_channel(qparams_.scheme) ? qparams_.scales[channel] : static_cast<float>(qparams_.scales[0]);
  const int32_t zero_point = qparams_.zero_points[channel];
  const int8_t* q = weight + row * columns_ + first;
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(scale * (q[i] - zero_point));
}

}  // namespace q
