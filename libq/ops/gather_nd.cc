// gather_nd: y[b.., i.., c..] = x[b.., indices[b.., i..]..., c..]: the last axis of the indices names a
// place.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/box.h"
#include "ops/shared/gather.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

// Axes that both inputs begin with, and axes of the data behind these that an index names.
struct Axes {
  int batch, named;
};

Axes axes_of(const Attrs& attrs, const Shape& data, const Shape& indices) {
  const int64_t batch = attr_int(attrs, "batch_dims");
  if (batch < 0 || batch >= std::min(data.rank, indices.rank))
    throw Error(ErrorKind::kInvalid,
                text("attribute batch_dims is ", batch, ", wanted less than the ranks of ", to_string(data),
                     " and ", to_string(indices)));
  const int64_t named = indices[indices.rank - 1];
  if (named < 1 || named > data.rank - batch)
    throw Error(ErrorKind::kInvalid, text("indices are ", to_string(indices), ", wanted 1 to ",
                                          data.rank - batch, " numbers for each place in ", to_string(data)));
  return {static_cast<int>(batch), static_cast<int>(named)};
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape &data = in[0].shape, &indices = in[1].shape;
  check_position_type(in[1]);
  const Axes axes = axes_of(attrs, data, indices);
  for (int axis = 0; axis < axes.batch; ++axis)
    if (data[axis] != indices[axis])
      throw Error(ErrorKind::kInvalid, text("inputs are ", to_string(data), " and ", to_string(indices),
                                            ", wanted the same ", axes.batch, " first extents"));
  for (int axis = axes.batch; axis < axes.batch + axes.named; ++axis)
    if (is_free(data[axis])) throw mixes_samples(text("places of axis ", axis));
  Ints out(indices.dims.begin(), indices.dims.begin() + indices.rank - 1);
  out.insert(out.end(), data.dims.begin() + axes.batch + axes.named, data.dims.begin() + data.rank);
  return {make_shape(out)};
}

// Of each of `batch` parts of the data `count` runs are picked, each named by `named` positions.
struct Plan {
  int64_t batch, count, part;
  size_t named, run_bytes;
  std::array<int64_t, kMaxRank> extents{}, steps{};  // of the axes they count along; steps in runs
};

Plan plan_gather(const CompileCall& call) {
  const Shape &data = call.in[0].shape, &indices = call.in[1].shape;
  const Axes axes = axes_of(call.attrs, data, indices);
  const int64_t run = product(data, axes.batch + axes.named, data.rank);
  Plan plan{.batch = product(data, 0, axes.batch),
            .count = product(indices, axes.batch, indices.rank - 1),
            .part = product(data, axes.batch, axes.batch + axes.named),
            .named = static_cast<size_t>(axes.named),
            .run_bytes = static_cast<size_t>(run) * moved_element_bytes(call)};
  for (size_t i = 0; i < plan.named; ++i) {
    const int axis = axes.batch + static_cast<int>(i);
    plan.extents[i] = data[axis];
    plan.steps[i] = product(data, axis + 1, axes.batch + axes.named);
  }
  return plan;
}

template <typename T>
void copy_picked(const Plan& plan, const T* positions, const std::byte* from, std::byte* to) {
  parallel_blocks(plan.batch * plan.count, grain_of_runs(plan.run_bytes), [&](int64_t first, int64_t end) {
    for (int64_t run = first; run < end; ++run) {
      const T* place = positions + run * static_cast<int64_t>(plan.named);
      int64_t source = run / plan.count * plan.part;
      for (size_t i = 0; i < plan.named; ++i) source += from_front(place[i], plan.extents[i]) * plan.steps[i];
      std::memcpy(to + static_cast<size_t>(run) * plan.run_bytes,
                  from + static_cast<size_t>(source) * plan.run_bytes, plan.run_bytes);
    }
  });
}

Run compile(const CompileCall& call) {
  return [plan = plan_gather(call)](const RunCall& run) {
    for (size_t i = 0; i < plan.named; ++i)
      check_positions(run.in[1], plan.batch * plan.count, plan.extents[i], static_cast<int64_t>(i),
                      static_cast<int64_t>(plan.named));
    visit_positions(run.in[1], [&](const auto* positions) {
      copy_picked(plan, positions, run.in[0].data, run.out[0].data);
    });
  };
}

constexpr OnnxName kOnnx[] = {{"GatherND", 11}};

constexpr AttrSpec kAttrs[] = {
    {"batch_dims", "axes that both inputs begin with and that belong together", AttrKind::kInt, "0"},
};

constexpr Shape kElements[] = {{3, 4, 5}, {7, 3}};
constexpr Shape kRuns[] = {{4, 3, 17}, {2, 5, 2}};
constexpr Shape kBatch[] = {{2, 3, 4, 5}, {2, 6, 2}};
constexpr Case kCases[] = {
    {.inputs = kElements, .indices_below = 3},
    {.inputs = kRuns, .constants_from = 1, .indices_below = 3},
    {.attrs = "batch_dims=1", .inputs = kBatch, .indices_below = 3},
};

}  // namespace

extern const OpDef op_gather_nd;
constinit const OpDef op_gather_nd = {
    .name = "gather_nd",
    .doc = "the parts of x at places that the last axis of the indices names; below 0: from the end",
    .inputs_min = 2,
    .inputs_max = 2,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .indices = 1,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile,
    .quant = compile,
    .cases = kCases,
};

}  // namespace q
