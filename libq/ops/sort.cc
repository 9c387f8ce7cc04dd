// sort: the elements along an axis in order, and where they stood.
#include "ops/shared/order.h"
#include "ops/shared/positions.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  check_positions(in[0].shape, line_axis(attrs, in[0].shape));
  attr_bool(attrs, "descending");
  return {in[0].shape, in[0].shape};
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_order<T>(call, lines_of(call).extent, attr_bool(call.attrs, "descending"));
}

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which elements are put in order", AttrKind::kInt, "-1"},
    {"descending", "1: the greatest first, 0: the least", AttrKind::kInt, "0"},
};

constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kImage[] = {{2, 17, 3, 5}};
constexpr Case kCases[] = {
    {.inputs = kRows},
    {.attrs = "axis=1;descending=1", .inputs = kImage},
    {.attrs = "axis=-1;descending=1", .inputs = kRows},
};

}  // namespace

extern const OpDef op_sort;
constinit const OpDef op_sort = {
    .name = "sort",
    .doc =
        "elements of x in order along an axis, and their positions as real numbers; of equal ones the lower "
        "position comes first, NaN counts as the greatest",
    .attrs = kAttrs,
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
