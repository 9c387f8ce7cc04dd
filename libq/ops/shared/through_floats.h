// The integer form of an operator by its float one: for the rare case that integers leave no room.
#pragma once

#include "q/op.h"

namespace q {

// Q(f32(D(inputs))) of one output of u8: u8 inputs become floats, computed in every run into memory set aside
// here; others stay. Operands lie row-major.
Run compile_through_floats(const CompileCall& call, Run (*f32)(const CompileCall&));

}  // namespace q
