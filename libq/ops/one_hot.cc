// one_hot: y[a.., d, b..] = values[1] where d is the index at [a.., b..], else values[0]. As in ONNX, an
// index outside of the depth is nowhere.
#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/gather.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

// Of the output, which has one axis more than the indices.
int new_axis(const Attrs& attrs, const Shape& indices) {
  return normalize_axis(attr_int(attrs, "axis"), indices.rank + 1, "attribute axis");
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  check_position_type(in[0]);
  const int64_t depth = attr_int(attrs, "depth");
  if (depth < 1 || depth > INT32_MAX)
    throw Error(ErrorKind::kInvalid, text("attribute depth is ", depth, ", wanted 1 to ", INT32_MAX));
  if (in[1].shape != Shape{2})
    throw Error(ErrorKind::kInvalid,
                text("values are ", to_string(in[1].shape), ", wanted [2], those off and on"));
  Ints out(in[0].shape.extents().begin(), in[0].shape.extents().end());
  out.insert(out.begin() + new_axis(attrs, in[0].shape), depth);
  return {make_shape(out)};
}

// The outputs are `outer` times `depth` runs of `inner` elements.
struct Plan {
  int64_t outer, depth, inner;
};

template <typename T, typename Position>
void write(const Plan& plan, const Position* positions, const T* values, T* out) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  const auto depth = static_cast<Position>(plan.depth);
  const int64_t part = plan.depth * plan.inner;
  parallel_blocks(plan.outer, std::max<int64_t>(1, kGrain / part), [&](int64_t first, int64_t end) {
    std::fill(out + first * part, out + end * part, values[0]);
    for (int64_t outer = first; outer < end; ++outer)
      for (int64_t i = 0; i < plan.inner; ++i) {
        const Position position = positions[outer * plan.inner + i];
        if (position >= -depth && position < depth)  // false of a NaN
          out[outer * part + from_front(position, plan.depth) * plan.inner + i] = values[1];
      }
  });
}

template <typename T>
Run compile(const CompileCall& call) {
  const Shape& indices = call.in[0].shape;
  if (call.in[1].dtype != call.out[0].dtype ||
      (call.out[0].dtype == DType::kU8 && !same_integers(call.in[1], call.out[0])))
    throw Error(ErrorKind::kInvalid, "output is of another type or scale than the values");
  const int axis = new_axis(call.attrs, indices);
  const Plan plan{product(indices, 0, axis), attr_int(call.attrs, "depth"),
                  product(indices, axis, indices.rank)};
  return [plan](const RunCall& run) {
    visit_positions(run.in[0], [&](const auto* positions) {
      write(plan, positions, run.in[1].as<T>(), run.out[0].as<T>());
    });
  };
}

int64_t depth_of(OnnxNode& node) {
  if (node.inputs.at(1).constant && node.inputs[1].constant->type.dtype == DType::kF32) {
    const float depth = number_input(node, 1, "depth");
    return depth >= 1 && depth < 0x1p31f ? static_cast<int64_t>(depth) : 0;
  }
  const Ints depth = take_ints_input(node, 1, "depth");
  return depth.size() == 1 ? depth[0] : 0;
}

bool map_onnx(OnnxNode& node) {
  node.attrs.insert_or_assign("depth", depth_of(node));
  node.inputs[1].used = false;
  return true;
}

constexpr OnnxName kOnnx[] = {{"OneHot", 9, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"depth", "extent of the new axis", AttrKind::kInt},
    {"axis", "the axis of the output that is new", AttrKind::kInt, "-1"},
};

constexpr Shape kLast[] = {{3, 5}, {2}};
constexpr Shape kOne[] = {{7}, {2}};
constexpr Case kCases[] = {
    {.attrs = "depth=17", .inputs = kLast, .constants_from = 1, .indices_below = 17},
    {.attrs = "depth=3;axis=1", .inputs = kLast, .constants_from = 1, .indices_below = 4},
    {.attrs = "depth=2;axis=0", .inputs = kOne, .constants_from = 1, .indices_below = 2},
};

}  // namespace

extern const OpDef op_one_hot;
constinit const OpDef op_one_hot = {
    .name = "one_hot",
    .doc = "the second of two values where an index says, the first elsewhere; below 0: from the end",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .indices = 0,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
