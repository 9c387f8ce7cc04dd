#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "base/text.h"
#include "q/quant.h"

namespace q {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLogOf10 = 2.302585092994045684;

template <typename T>
Tensor converted(View view) {
  Tensor out = make_tensor(DType::kF32, view.shape);
  std::copy_n(view.as<T>(), elements(view.shape), out.as<float>());
  return out;
}

}  // namespace

void Difference::add(const float* reference, const float* actual, int64_t elements) {
  count += elements;
  for (int64_t i = 0; i < elements; ++i) {
    const double x = reference[i], y = actual[i];
    const bool same = x == y || (std::isnan(x) && std::isnan(y));  // also where x - y has no value
    const double error = same ? 0 : std::fabs(x - y);
    reference_squares += x * x;
    actual_squares += y * y;
    products += x * y;
    error_squares += error * error;
    errors += error;
    if (!(error <= max_error) && !std::isnan(max_error)) max_error = error;  // a NaN stays
  }
}

double sqnr_db(const Difference& d) {
  if (d.error_squares == 0) return kInfinity;
  if (d.reference_squares == 0) return -kInfinity;
  return 10 * log(d.reference_squares / d.error_squares) / kLogOf10;
}

double cosine(const Difference& d) {
  return d.products / std::max(std::sqrt(d.reference_squares) * std::sqrt(d.actual_squares), 1e-8);
}

double mean_error(const Difference& d) { return d.count == 0 ? 0 : d.errors / static_cast<double>(d.count); }

Tensor reals(View view) {
  if (view.qparams != nullptr && view.dtype != DType::kF32) return dequantize(view);
  switch (view.dtype) {
    case DType::kF32:
      return converted<float>(view);
    case DType::kF64:
      return converted<double>(view);
    case DType::kI64:
      return converted<int64_t>(view);
    case DType::kI32:
      return converted<int32_t>(view);
    case DType::kI16:
      return converted<int16_t>(view);
    case DType::kI8:
      return converted<int8_t>(view);
    case DType::kU8:
    case DType::kBool:
      return converted<uint8_t>(view);
    default:
      throw Error(ErrorKind::kUnsupported, text("type ", name_of(view.dtype), " cannot be compared"));
  }
}

std::vector<int64_t> top1(const float* values, int64_t rows, int64_t columns) {
  std::vector<int64_t> out(static_cast<size_t>(rows), 0);
  for (int64_t row = 0; row < rows; ++row) {
    const float* line = values + row * columns;
    float best = -std::numeric_limits<float>::infinity();
    for (int64_t column = 0; column < columns; ++column)
      if (line[column] > best) {
        best = line[column];
        out[static_cast<size_t>(row)] = column;
      }
  }
  return out;
}

}  // namespace q
