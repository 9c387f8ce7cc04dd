// Rows of a table of weights: what embeddings look up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "q/op.h"

namespace q {

// Throws unless the weight is a matrix that is the same for all samples.
void check_table(const TensorType& weight);

// The elements of the weight, input 1: a copy, for a weight is there only while its operator is compiled. T:
// float or int8_t. Throws unless it is a constant of that type.
template <typename T>
std::shared_ptr<const std::vector<T>> table_of_weight(const CompileCall& call);

// The i8 elements of a row as reals.
class RowReals {
 public:
  explicit RowReals(const TensorType& weight);
  // Elements first, first + 1, ... of the row.
  void get(const int8_t* weight, int64_t row, int64_t first, int64_t count, float* out) const;

 private:
  QParams qparams_;
  int64_t columns_;
};

}  // namespace q
