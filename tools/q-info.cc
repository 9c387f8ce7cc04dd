// q-info: tells what is in a file.
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "info.h"
#include "q/observer.h"
#include "q/op.h"
#include "report.h"
#include "tool.h"

namespace {

bool json = false, dot = false, list_ops = false, list_observers = false;

// How an operator is computed in a quantized model.
std::string_view integer_form(const q::OpDef& op) {
  if (op.f32 == nullptr && op.unary == nullptr) return "convert";
  if (op.quant != nullptr) return "integer";
  return op.unary != nullptr ? "table" : "float";
}

void print_ops() {
  for (const q::OpDef* op : q::ops()) {
    std::string onnx, attributes;
    for (const q::OnnxName& name : op->onnx) onnx += q::text(onnx.empty() ? "" : " ", name.type);
    for (const q::AttrSpec& spec : op->attrs) attributes += q::text(attributes.empty() ? "" : " ", spec.name);
    std::cout << op->name << '\t' << op->doc << '\t' << integer_form(*op) << '\t' << onnx << '\t'
              << attributes << '\n';
  }
}

void print_observers() {
  for (const q::ObserverDef* observer : q::observers()) {
    std::string methods;
    for (std::string_view method : observer->methods) methods += q::text(methods.empty() ? "" : " ", method);
    std::cout << observer->name << '\t' << observer->doc << '\t' << methods << '\n';
  }
}

std::string described(const q::File& file, const q::InputFile& input) {
  if (file.format == q::Format::kTensors) {
    const q::TensorReader reader(input.path(), input.shown());
    return json ? q::as_lines(q::tensors_json(reader)) : q::tensors_text(reader);
  }
  if (json) return q::as_lines(q::info_json(file));
  return dot ? q::info_dot(file) : q::info_text(file);
}

q::ExitStatus run(q::Job& job) {
  if (list_ops) return print_ops(), q::kDone;
  if (list_observers) return print_observers(), q::kDone;
  const q::InputFile& input = job.open(job.inputs[0]);
  const q::File file = q::read_any_file(input.path(), input.shown());
  if (dot && file.format != q::Format::kModel)
    throw q::Error(q::ErrorKind::kUsage,
                   q::text(input.shown(), ": is ", q::name_of(file.format), ", --dot wants q-model"));
  const std::string words = described(file, input);
  job.check_inputs();
  std::cout << words;
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return q::tool_main(
      {.name = "q-info",
       .summary = "tell what is in a file: nodes, types, sizes, how each node is computed and why",
       .operands = "[FILE]",
       .options = {{"--json", "", &json, "print JSON"},
                   {"--dot", "", &dot, "print the graph for Graphviz"},
                   {"--list-ops", "", &list_ops, "list the operators, tab separated"},
                   {"--list-observers", "", &list_observers, "list the observers, tab separated"}},
       .run = run},
      argc, argv);
}
