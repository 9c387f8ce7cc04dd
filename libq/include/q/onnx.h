// ONNX import (library libq-onnx).
#pragma once

#include <string>

#include "q/graph.h"
#include "q/pass.h"

namespace q {

// The ONNX model in `path` as a validated float graph: constants folded, every node and value named, the
// batch made free where the graph allows it. `shown` names the file in messages. External data is read from
// files beside `path`, unless `shown` differs from it: then the model came through a pipe and has no folder.
// Throws on anything that cannot be expressed.
Q_API Graph import_onnx(const std::string& path, const std::string& shown, Changes& changes);

}  // namespace q
