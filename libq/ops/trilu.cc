// trilu: y[.., i, j] = x[.., i, j] on one side of a diagonal, else 0: j - i >= k of the upper part, <= k of
// the lower one. PyTorch's triu and tril.
#include <algorithm>
#include <optional>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  if (shape.rank < 2)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(shape), ", wanted matrices"));
  if (const int64_t upper = attr_int(attrs, "upper"); upper != 0 && upper != 1)
    throw Error(ErrorKind::kInvalid, text("attribute upper is ", upper, ", wanted 0 or 1"));
  for (int axis = shape.rank - 2; axis < shape.rank; ++axis)
    if (is_free(shape[axis])) throw mixes_samples(text("a triangle over axis ", axis));
  return {shape};
}

template <typename T>
Run compile(const CompileCall& call, T zero) {
  moved_element_bytes(call);
  const Shape& shape = call.in[0].shape;
  const int64_t rows = shape[shape.rank - 2], columns = shape[shape.rank - 1];
  const bool is_upper = attr_int(call.attrs, "upper") != 0;
  const int64_t k = std::clamp(attr_int(call.attrs, "k"), -rows - 1, columns + 1);
  constexpr int64_t kGrain = 1 << 14;  // elements
  return [=, count = product(shape, 0, shape.rank - 1)](const RunCall& run) {
    const T* x = run.in[0].as<T>();
    T* y = run.out[0].as<T>();
    parallel_blocks(count, std::max<int64_t>(1, kGrain / columns), [&](int64_t first, int64_t end) {
      for (int64_t line = first; line < end; ++line) {
        const int64_t diagonal = std::clamp<int64_t>(line % rows + k + (is_upper ? 0 : 1), 0, columns);
        const int64_t begin = is_upper ? diagonal : 0, stop = is_upper ? columns : diagonal;
        const T* from = x + line * columns;
        T* to = y + line * columns;
        std::fill(to, to + begin, zero);
        std::copy(from + begin, from + stop, to + begin);
        std::fill(to + stop, to + columns, zero);
      }
    });
  };
}

Run compile_f32(const CompileCall& call) { return compile(call, 0.f); }

Run compile_quant(const CompileCall& call) {
  return compile(call, static_cast<uint8_t>(affine_of(call.out[0], "output").zero_point));
}

std::optional<float> border(const Attrs&) { return 0.f; }

bool map_onnx(OnnxNode& node) {
  int64_t k = 0;
  if (has_input(node, 1)) {
    const Ints found = take_ints_input(node, 1, "k");
    if (found.size() != 1)
      throw Error(ErrorKind::kInvalid, text("k is ", found.size(), " numbers, wanted 1"));
    k = found[0];
  }
  drop_inputs(node, 1);
  node.attrs.insert_or_assign("k", k);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Trilu", 14, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"upper", "1: the upper part stays, 0: the lower one", AttrKind::kInt, "1"},
    {"k", "the diagonal that stays too: 0 the main one, above 0 those above it", AttrKind::kInt, "0"},
};

constexpr Shape kMatrix[] = {{5, 17}};
constexpr Shape kMatrices[] = {{2, 3, 4, 4}};
constexpr Case kCases[] = {
    {.inputs = kMatrix},
    {.attrs = "upper=0;k=2", .inputs = kMatrix},
    {.attrs = "k=-1", .inputs = kMatrices},
    {.attrs = "upper=0;k=-99", .inputs = kMatrices},
};

}  // namespace

extern const OpDef op_trilu;
constinit const OpDef op_trilu = {
    .name = "trilu",
    .doc = "the upper or the lower triangle of matrices, and 0 elsewhere",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kAsInput,
    .border = border,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
