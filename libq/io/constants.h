// The constants of a graph as datasets. One that no tool has changed goes from file to file in pieces, so
// that a model may be larger than memory.
#pragma once

#include "io/h5.h"
#include "q/graph.h"

namespace q {

// The tensor of that type in the dataset a link of `parent` stands for, read when used; the file stays open.
// Throws then when a float is NaN or infinity.
Constant stored_constant(const h5::Object& parent, const h5::Link& link, TensorType type);
// A new dataset with the elements of a constant value and its qparams, the same bytes whether the constant is
// in memory or stored. Throws when a float is NaN or infinity.
void write_constant(const h5::Object& parent, const Value& value);

}  // namespace q
