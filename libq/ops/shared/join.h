// Tensors one behind the other along an axis.
#pragma once

#include "q/op.h"

namespace q {

// Row i of the output is row i of every input, one behind the other; a row is what lies behind the first
// `axis` axes. An input with fewer rows is repeated. Of float32, or of u8: integers copied when they mean the
// same in the output, else Q(D(q)).
Run compile_join_f32(const CompileCall& call, int axis);
Run compile_join_u8(const CompileCall& call, int axis);

}  // namespace q
