#include "ops/shared/move.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"

namespace q {

size_t moved_element_bytes(const CompileCall& call) {
  const TensorType& in = call.in[0];
  for (const TensorType& out : call.out) {
    if (in.dtype != out.dtype)
      throw Error(ErrorKind::kInvalid,
                  text("output is ", name_of(out.dtype), ", wanted ", name_of(in.dtype), " as the input"));
    if (in.dtype == DType::kU8 && !same_integers(in, out))
      throw Error(ErrorKind::kInvalid,
                  text("output has scale ", number(out.qparams->scales[0]), " and zero point ",
                       out.qparams->zero_points[0], ", wanted the input's ", number(in.qparams->scales[0]),
                       " and ", in.qparams->zero_points[0]));
  }
  return static_cast<size_t>(bits_of(in.dtype)) / 8;
}

Run compile_move(const CompileCall& call) {
  const int64_t count = elements(call.out[0].shape) * static_cast<int64_t>(moved_element_bytes(call));
  return [count](const RunCall& run) {
    constexpr int64_t kGrain = 1 << 17;  // bytes
    parallel_blocks(count, kGrain, [&](int64_t first, int64_t end) {
      std::memcpy(run.out[0].data + first, run.in[0].data + first, static_cast<size_t>(end - first));
    });
  };
}

int64_t product(const Shape& shape, int first, int end) {
  int64_t out = 1;
  for (int axis = first; axis < end; ++axis) {
    if (is_free(shape[axis]) && is_free(out)) check_one_free(shape);
    if (__builtin_mul_overflow(out, shape[axis], &out))
      throw Error(ErrorKind::kInvalid, text("elements of ", to_string(shape), " leave int64"));
  }
  return out;
}

}  // namespace q
