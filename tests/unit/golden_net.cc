#include "golden_net.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "q/exec.h"
#include "q/pass.h"

namespace q {

ValueId Net::input(const Tensor& tensor) {
  const ValueId id = add(tensor.type);
  graph_.inputs.push_back(id);
  inputs_.push_back(tensor);
  return id;
}

ValueId Net::constant(const Tensor& tensor) {
  const ValueId id = add(tensor.type);
  graph_.values.back().constant = constant_of(tensor);
  return id;
}

ValueId Net::node(const std::string& op, const std::vector<ValueId>& inputs, const Attrs& attrs,
                  const TensorType& type) {
  return node(op, inputs, attrs, std::vector<TensorType>{type})[0];
}

std::vector<ValueId> Net::node(const std::string& op, const std::vector<ValueId>& inputs, const Attrs& attrs,
                               const std::vector<TensorType>& types) {
  std::vector<ValueId> outputs;
  for (const TensorType& type : types) outputs.push_back(add({type.dtype, {}, type.qparams}));
  graph_.nodes.push_back({op, text("node", graph_.nodes.size()), attrs, inputs, outputs, {}});
  return outputs;
}

Graph Net::graph(const std::vector<ValueId>& outputs) {
  graph_.outputs = outputs;
  infer_shapes(graph_);
  validate(graph_);
  return graph_;
}

Tensor Net::run(ValueId output) { return run(std::vector<ValueId>{output})[0]; }

std::vector<Tensor> Net::run(const std::vector<ValueId>& outputs) {
  const Graph whole = graph(outputs);
  Executable executable(whole, {});
  std::vector<View> views;
  for (const Tensor& tensor : inputs_) views.push_back(tensor.view());
  std::vector<Tensor> results;
  for (ValueId id : outputs) results.push_back(make_tensor(whole.values[static_cast<size_t>(id)].type));
  executable.run(views, [&](ValueId id, View view) {
    const auto at = std::find(outputs.begin(), outputs.end(), id) - outputs.begin();
    std::memcpy(results[static_cast<size_t>(at)].data.get(), view.data, bytes(view.dtype, view.shape));
  });
  return results;
}

ValueId Net::add(const TensorType& type) {
  return add_value(graph_, {text("value", graph_.values.size()), type, {}, {}});
}

}  // namespace q
