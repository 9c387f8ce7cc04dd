#include "onnx/upgrade.h"

#include <onnx/shape_inference/implementation.h>
#include <onnx/version_converter/convert.h>

#include <exception>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/text.h"
#include "q/error.h"

namespace q {

namespace {

// Some conversions want to know extents, though only whether they are 1 or like another: those that are open
// get one that no other has. What the file says of other values would then contradict.
void close_extents(onnx::GraphProto& graph) {
  constexpr int64_t kUnlikely = 8191;
  for (onnx::ValueInfoProto& input : *graph.mutable_input()) {
    if (!input.type().has_tensor_type() || !input.type().tensor_type().has_shape()) continue;
    for (auto& extent : *input.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim())
      if (!extent.has_dim_value()) extent.set_dim_value(kUnlikely);
  }
  graph.clear_value_info();
  for (onnx::ValueInfoProto& output : *graph.mutable_output())
    if (output.type().has_tensor_type()) output.mutable_type()->mutable_tensor_type()->clear_shape();
}

void restore_types(const onnx::GraphProto& from, onnx::GraphProto& to) {
  std::unordered_map<std::string_view, const onnx::TypeProto*> types;
  for (const onnx::ValueInfoProto& input : from.input()) types[input.name()] = &input.type();
  for (onnx::ValueInfoProto& input : *to.mutable_input())
    if (const auto found = types.find(input.name()); found != types.end())
      *input.mutable_type() = *found->second;
}

}  // namespace

onnx::ModelProto upgraded(const onnx::ModelProto& model, int64_t opset) {
  try {
    onnx::ModelProto closed = model;
    close_extents(*closed.mutable_graph());
    onnx::shape_inference::InferShapes(closed);
    onnx::ModelProto out = onnx::version_conversion::ConvertVersion(closed, static_cast<int>(opset));
    restore_types(model.graph(), *out.mutable_graph());
    return out;
  } catch (const std::exception& error) {
    // the first line tells what, the others where
    const std::string what = error.what();
    throw Error(ErrorKind::kUnsupported,
                text("cannot be upgraded to opset ", opset, ": ", what.substr(0, what.find('\n'))));
  }
}

}  // namespace q
