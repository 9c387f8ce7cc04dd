// transpose: x with its axes in another order.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "q/op.h"

namespace q {

namespace {

void check_perm(const Ints& perm, int rank) {
  Ints sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool complete = std::ssize(sorted) == rank;
  for (int64_t axis = 0; complete && axis < rank; ++axis)
    complete = sorted[static_cast<size_t>(axis)] == axis;
  if (!complete)
    throw Error(ErrorKind::kInvalid, text("attribute perm has ", perm.size(), " entries, wanted each of the ",
                                          rank, " axes once"));
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Ints& perm = attr_ints(attrs, "perm");
  check_perm(perm, in[0].shape.rank);
  Shape out = in[0].shape;
  for (int axis = 0; axis < out.rank; ++axis)
    out[axis] = in[0].shape[static_cast<int>(perm[static_cast<size_t>(axis)])];
  return {out};
}

// The output's axes with their steps through the input, those joined that the input has side by side too.
struct Plan {
  int rank = 0;
  std::array<int64_t, kMaxRank> extents{}, steps{};
  int64_t rows = 1;  // of the last axis

  void add(int64_t extent, int64_t step) {
    const size_t last = static_cast<size_t>(rank) - 1;
    if (rank > 0 && steps[last] == extent * step) {
      extents[last] *= extent;
      steps[last] = step;
      return;
    }
    extents[last + 1] = extent;
    steps[last + 1] = step;
    ++rank;
  }
};

Plan plan_transpose(const Shape& in, const Ints& perm) {
  Plan plan;
  for (const int64_t from : perm) {
    const int axis = static_cast<int>(from);
    if (in[axis] != 1) plan.add(in[axis], product(in, axis + 1, in.rank));
  }
  if (plan.rank == 0) plan.add(1, 1);
  for (int axis = 0; axis + 1 < plan.rank; ++axis) plan.rows *= plan.extents[static_cast<size_t>(axis)];
  return plan;
}

template <typename T>
void transpose_rows(const Plan& plan, const T* in, T* out, int64_t first, int64_t end) {
  const int64_t extent = plan.extents[static_cast<size_t>(plan.rank) - 1];
  const int64_t step = plan.steps[static_cast<size_t>(plan.rank) - 1];
  for (int64_t row = first; row < end; ++row) {
    const T* from = in;
    int64_t rest = row;
    for (size_t axis = static_cast<size_t>(plan.rank) - 1; axis-- > 0;) {
      from += rest % plan.extents[axis] * plan.steps[axis];
      rest /= plan.extents[axis];
    }
    T* to = out + row * extent;
    if (step == 1)
      std::memcpy(to, from, static_cast<size_t>(extent) * sizeof(T));
    else
      for (int64_t i = 0; i < extent; ++i) to[i] = from[i * step];
  }
}

template <typename T>
Run compile(const CompileCall& call) {
  moved_element_bytes(call);
  const Plan plan = plan_transpose(call.in[0].shape, attr_ints(call.attrs, "perm"));
  constexpr int64_t kGrain = 1 << 14;  // elements
  const int64_t extent = plan.extents[static_cast<size_t>(plan.rank) - 1];
  return [plan, grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, extent))](const RunCall& run) {
    parallel_blocks(plan.rows, grain, [&](int64_t first, int64_t end) {
      transpose_rows(plan, run.in[0].as<T>(), run.out[0].as<T>(), first, end);
    });
  };
}

bool map_onnx(OnnxNode& node) {
  if (node.attrs.contains("perm")) return true;
  Ints reversed;
  for (int64_t axis = node.inputs.at(0).type.shape.rank; axis-- > 0;) reversed.push_back(axis);
  node.attrs.emplace("perm", reversed);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Transpose", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"perm", "the input's axis that becomes each axis of the output", AttrKind::kInts},
};

constexpr Shape kMatrix[] = {{3, 17}};
constexpr Shape kHeads[] = {{2, 5, 3, 8}};
constexpr Shape kVolume[] = {{2, 3, 1, 4, 5}};
constexpr Case kCases[] = {
    {.attrs = "perm=1,0", .inputs = kMatrix},       {.attrs = "perm=0,2,1,3", .inputs = kHeads},
    {.attrs = "perm=0,2,3,1", .inputs = kHeads},    {.attrs = "perm=4,2,0,1,3", .inputs = kVolume},
    {.attrs = "perm=0,1,2,3,4", .inputs = kVolume},
};

}  // namespace

extern const OpDef op_transpose;
constinit const OpDef op_transpose = {
    .name = "transpose",
    .doc = "x with its axes in another order",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .cases = kCases,
};

}  // namespace q
