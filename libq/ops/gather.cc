// gather: y[.., i, ..] = x[.., indices[.., i, ..], ..]: one position for each element of y.
#include "ops/shared/gather.h"

#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape &data = in[0].shape, &indices = in[1].shape;
  check_position_type(in[1]);
  const int gathered = normalize_axis(attr_int(attrs, "axis"), data.rank, "attribute axis");
  if (is_free(data[gathered])) throw mixes_samples(text("places of axis ", gathered));
  bool fits = indices.rank == data.rank;
  for (int axis = 0; fits && axis < data.rank; ++axis) {
    const bool has_samples = is_free(data[axis]) || is_free(indices[axis]);
    fits = axis == gathered || indices[axis] == data[axis] || (!has_samples && indices[axis] < data[axis]);
  }
  if (!fits)
    throw Error(ErrorKind::kInvalid, text("indices are ", to_string(indices), ", wanted them within ",
                                          to_string(data), " but along axis ", gathered));
  return {indices};
}

// Rows of positions along the last axis, and where they read.
struct Plan {
  Box rows;  // all axes but the last: extents, and steps through the data
  int64_t row_count = 1, count = 1;
  int64_t extent = 1, gathered_step = 1;  // of the axis the positions count along
  int64_t step = 1;                       // through the data from one element of a row to the next
};

Plan plan_gather(const CompileCall& call) {
  const Shape &data = call.in[0].shape, &out = call.out[0].shape;
  const int gathered = normalize_axis(attr_int(call.attrs, "axis"), data.rank, "attribute axis");
  const auto steps = steps_of(data);
  const int last = out.rank - 1;
  Plan plan{.extent = data[gathered], .gathered_step = steps[static_cast<size_t>(gathered)]};
  for (int axis = 0; axis < last; ++axis)
    plan.rows.add(out[axis], axis == gathered ? 0 : steps[static_cast<size_t>(axis)], 0);
  plan.row_count = product(out, 0, last);
  plan.count = out[last];
  plan.step = gathered == last ? 0 : 1;
  return plan;
}

int64_t start_of(const Box& rows, int64_t row) {
  int64_t from = 0;
  for (size_t axis = static_cast<size_t>(rows.rank); axis-- > 0; row /= rows.extents[axis])
    from += row % rows.extents[axis] * rows.from[axis];
  return from;
}

template <typename T, typename Position>
void gather_rows(const Plan& plan, const Position* positions, const T* from, T* to) {
  constexpr int64_t kGrain = 1 << 13;  // elements
  parallel_blocks(plan.row_count, std::max<int64_t>(1, kGrain / plan.count), [&](int64_t first, int64_t end) {
    for (int64_t row = first; row < end; ++row) {
      const T* x = from + start_of(plan.rows, row);
      for (int64_t i = row * plan.count; i < (row + 1) * plan.count; ++i, x += plan.step)
        to[i] = x[from_front(positions[i], plan.extent) * plan.gathered_step];
    }
  });
}

template <typename T>
Run compile(const CompileCall& call) {
  moved_element_bytes(call);
  return [plan = plan_gather(call)](const RunCall& run) {
    check_positions(run.in[1], plan.row_count * plan.count, plan.extent);
    visit_positions(run.in[1], [&](const auto* positions) {
      gather_rows(plan, positions, run.in[0].as<T>(), run.out[0].as<T>());
    });
  };
}

constexpr OnnxName kOnnx[] = {{"GatherElements", 11}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the indices count", AttrKind::kInt, "0"},
};

constexpr Shape kRows[] = {{3, 17}, {3, 5}};
constexpr Shape kColumns[] = {{9, 17}, {4, 16}};
constexpr Shape kMiddle[] = {{2, 5, 3, 7}, {2, 6, 3, 7}};
constexpr Case kCases[] = {
    {.attrs = "axis=-1", .inputs = kRows, .indices_below = 17},
    {.inputs = kColumns, .constants_from = 1, .indices_below = 9},
    {.attrs = "axis=1", .inputs = kMiddle, .indices_below = 5},
};

}  // namespace

extern const OpDef op_gather;
constinit const OpDef op_gather = {
    .name = "gather",
    .doc = "for each element the one of x that an index names along an axis; below 0: from the end",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .indices = 1,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
