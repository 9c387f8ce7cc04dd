#include "onnx/schema.h"

#include <algorithm>

namespace q {

const onnx::OpSchema* schema_of(const std::string& type, int64_t opset) {
  return onnx::OpSchemaRegistry::Schema(type, static_cast<int>(std::min(opset, kLastSchemas)), "");
}

namespace {

// The last parameter may stand for many.
template <typename Parameters>
const auto& parameter(const Parameters& parameters, size_t index) {
  return parameters[std::min(index, parameters.size() - 1)];
}

template <typename Parameter>
bool may_be_real(const Parameter& parameter) {
  return std::ranges::any_of(parameter.GetTypes(),
                             [](const std::string* each) { return *each == "tensor(float)"; });
}

}  // namespace

bool takes_reals(const std::string& type, int64_t opset, size_t index) {
  const onnx::OpSchema* schema = schema_of(type, opset);
  if (schema == nullptr || schema->inputs().empty()) return true;
  const auto& inputs = schema->inputs();
  // what later opsets have added are lists
  if (index >= inputs.size() && inputs.back().GetOption() != onnx::OpSchema::Variadic) return false;
  return may_be_real(parameter(inputs, index));
}

int input_of_same_type(const std::string& type, int64_t opset, size_t index) {
  const onnx::OpSchema* schema = schema_of(type, opset);
  if (schema == nullptr) return 0;
  const auto& inputs = schema->inputs();
  const std::string& wanted = parameter(schema->outputs(), index).GetTypeStr();
  const auto found =
      std::ranges::find_if(inputs, [&](const auto& each) { return each.GetTypeStr() == wanted; });
  return found == inputs.end() ? kNone : static_cast<int>(found - inputs.begin());
}

bool gives_reals(const std::string& type, int64_t opset, size_t index) {
  const onnx::OpSchema* schema = schema_of(type, opset);
  return schema == nullptr || may_be_real(parameter(schema->outputs(), index));
}

}  // namespace q
