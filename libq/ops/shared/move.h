// Operators that only move elements: the same for floats and, input and output having one scale, for
// integers.
#pragma once

#include <cstdint>
#include <span>

#include "q/op.h"

namespace q {

// Bytes of an element. Throws unless the first input and the outputs of the call have one type and, if
// quantized, the same scale and zero point.
size_t moved_element_bytes(const CompileCall& call);
// The input's bytes, unchanged.
Run compile_move(const CompileCall& call);
// The product of the extents [first, end), negative when one of them is free. Throws when it leaves int64 or
// more than one is free.
Q_API int64_t product(const Shape& shape, int first, int end);

}  // namespace q
