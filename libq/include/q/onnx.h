// ONNX import (library libq-onnx).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "q/graph.h"
#include "q/pass.h"

namespace q {

// What an ONNX file may leave open.
struct ImportOptions {
  // Shapes of inputs by name; kFree leaves an extent as it is in the file.
  std::map<std::string, Shape> shapes = {};
  // The shape of the data for an input: for extents still open that do not count samples. is_only: the model
  // has no other input. Empty: there are no data.
  std::function<Shape(const std::string& input, bool is_only)> data = {};
};

// The ONNX model in `path` as a validated float graph: constants folded, every node and value named, and the
// first extent of the inputs free where any number of samples may lie along it, each on its own (otherwise a
// warning tells why, and all inputs together are one sample). `shown` names the file in messages. External
// data is read from files beside `path`, unless `shown` differs from it: then the model came through a pipe
// and has no folder. Throws on anything that cannot be expressed.
Q_API Graph import_onnx(const std::string& path, const std::string& shown, Changes& changes,
                        const ImportOptions& options = {});

}  // namespace q
