// topk: the k greatest or least elements along an axis, and where they stood.
#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/order.h"
#include "ops/shared/positions.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const int axis = line_axis(attrs, out);
  check_positions(out, axis);
  attr_bool(attrs, "largest");
  attr_bool(attrs, "sorted");
  const int64_t k = attr_int(attrs, "k");
  if (k < 1 || (!is_free(out[axis]) && k > out[axis]))
    throw Error(ErrorKind::kInvalid, text("attribute k is ", k, ", input is ", to_string(out),
                                          ", wanted 1 to the elements along axis ", axis));
  out[axis] = k;
  return {out, out};
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_order<T>(call, attr_int(call.attrs, "k"), attr_bool(call.attrs, "largest"));
}

bool map_onnx(OnnxNode& node) {
  if (node.attrs.contains("k")) return true;
  const Ints k = take_ints_input(node, 1, "K");
  if (k.size() != 1) throw Error(ErrorKind::kInvalid, text("K has ", k.size(), " entries, wanted one"));
  node.attrs.emplace("k", k[0]);
  return true;
}

constexpr OnnxName kOnnx[] = {{"TopK", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"k", "how many", AttrKind::kInt},
    {"axis", "the axis along which they are looked for", AttrKind::kInt, "-1"},
    {"largest", "1: the greatest, 0: the least", AttrKind::kInt, "1"},
    {"sorted", "0: any order is good; they come sorted in any case", AttrKind::kInt, "1"},
};

constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kImage[] = {{2, 17, 3, 5}};
constexpr Case kCases[] = {
    {.attrs = "k=5", .inputs = kRows},
    {.attrs = "k=3;axis=1;largest=0", .inputs = kImage},
    {.attrs = "k=70;sorted=0", .inputs = kRows},
};

}  // namespace

extern const OpDef op_topk;
constinit const OpDef op_topk = {
    .name = "topk",
    .doc =
        "the k greatest or least elements of x along an axis, and their positions as real numbers; of equal "
        "ones the lower position comes first, NaN counts as the greatest",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .reals_from = 1,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_beside_axis,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
