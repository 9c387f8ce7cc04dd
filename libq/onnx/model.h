// An ONNX file as plain values: read, checked, in an order of execution, and reduced to what the outputs
// depend on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "q/op.h"
#include "q/pass.h"
#include "q/tensor.h"

namespace q {

struct OnnxModel {
  struct Input {
    std::string name;
    TensorType type;                 // extents that the file leaves open are kFree
    std::vector<std::string> names;  // of the extents, where the file names one
  };
  struct Node {
    OnnxNode node;                             // its inputs are filled in when their types are known
    std::vector<std::string> inputs, outputs;  // names of values, empty where left out
  };
  std::vector<Input> inputs;
  std::vector<std::string> outputs;
  std::vector<Node> nodes;
  std::map<std::string, Tensor, std::less<>> constants;
};

// The model in `path`; files beside it are read too where `shown` is that path. Throws, without the file's
// name, on everything that is wrong with the file and on all operators that libq does not have.
OnnxModel read_onnx_model(const std::string& path, const std::string& shown, Changes& changes);

}  // namespace q
