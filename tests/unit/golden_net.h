// Small graphs of tests, compiled and run as models are.
#pragma once

#include <string>
#include <vector>

#include "q/graph.h"
#include "q/op.h"
#include "q/tensor.h"

namespace q {

// Nodes between inputs and outputs, compiled and run as in a model.
class Net {
 public:
  ValueId input(const Tensor& tensor);
  ValueId constant(const Tensor& tensor);
  // type: of the result; the operator infers its shape.
  ValueId node(const std::string& op, const std::vector<ValueId>& inputs, const Attrs& attrs,
               const TensorType& type);
  std::vector<ValueId> node(const std::string& op, const std::vector<ValueId>& inputs, const Attrs& attrs,
                            const std::vector<TensorType>& types);
  Graph graph(const std::vector<ValueId>& outputs);
  Tensor run(ValueId output);
  std::vector<Tensor> run(const std::vector<ValueId>& outputs);

 private:
  ValueId add(const TensorType& type);

  Graph graph_;
  std::vector<Tensor> inputs_;
};

}  // namespace q
