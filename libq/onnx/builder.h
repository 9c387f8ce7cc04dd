// From a model as plain values to a graph.
#pragma once

#include <cstdint>

#include "onnx/model.h"
#include "q/graph.h"
#include "q/pass.h"

namespace q {

// The model as a validated graph: what depends on constants alone is computed. batch: OnnxNode::batch.
// Throws, without the file's name, on everything that cannot be expressed.
Graph built_graph(const OnnxModel& model, int64_t batch, Changes& changes);

}  // namespace q
