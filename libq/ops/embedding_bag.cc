// embedding_bag: y[n, :] = the sum over l of scale[n, l] * weight[indices[n, l], :], or the mean or the
// greatest of the rows. Sums are taken in double, in the order of l, and rounded once.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/gather.h"
#include "ops/shared/rows.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& indices = in[0].shape;
  const std::string& mode = attr_string(attrs, "mode");
  check_position_type(in[0]);
  check_table(in[1]);
  if (mode != "sum" && mode != "mean" && mode != "max")
    throw Error(ErrorKind::kInvalid, text("attribute mode is \"", mode, "\", wanted sum, mean or max"));
  if (indices.rank != 2)
    throw Error(ErrorKind::kInvalid,
                text("indices are ", to_string(indices), ", wanted [bags,positions of each]"));
  if (is_free(indices[1])) throw mixes_samples("the positions of a bag");
  if (in.size() == 2) return {{indices[0], in[1].shape[1]}};
  if (mode != "sum")
    throw Error(ErrorKind::kInvalid,
                text("attribute mode is ", mode, ", wanted sum with weights per sample"));
  if (in[2].shape != indices)
    throw Error(ErrorKind::kInvalid, text("weights per sample are ", to_string(in[2].shape), ", wanted ",
                                          to_string(indices), " as the indices"));
  return {{indices[0], in[1].shape[1]}};
}

constexpr int64_t kChunk = 256;  // columns that are added up at a time

struct Plan {
  int64_t bags, length, rows, columns;
  bool is_max, is_mean;
};

Plan plan_bags(const CompileCall& call) {
  const Shape &indices = call.in[0].shape, &weight = call.in[1].shape;
  const std::string& mode = attr_string(call.attrs, "mode");
  return {indices[0], indices[1], weight[0], weight[1], mode == "max", mode == "mean"};
}

// Adds a row to the sums, or keeps what is greater; a NaN stays.
void take_row(bool is_max, double scale, const float* row, int64_t count, double* sums) {
  if (is_max) {
    for (int64_t i = 0; i < count; ++i)
      if (row[i] > sums[i] || std::isnan(row[i])) sums[i] = row[i];
  } else {
    for (int64_t i = 0; i < count; ++i) sums[i] += scale * row[i];
  }
}

// Calls put(to, values, count) for every piece of the output. get(row, first, count, buffer): those elements
// of a row of the table; scale(i): what position i counts.
template <typename Get, typename Scale, typename Put>
void add_bags(const Plan& plan, const View& indices, const Get& get, const Scale& scale, const Put& put) {
  check_positions(indices, plan.bags * plan.length, plan.rows);
  constexpr int64_t kGrain = 1 << 14;  // elements that are read
  const int64_t grain = std::max<int64_t>(1, kGrain / (plan.length * plan.columns));
  visit_positions(indices, [&](const auto* positions) {
    parallel_blocks(plan.bags, grain, [&](int64_t first, int64_t end) {
      double sums[kChunk];
      float buffer[kChunk];
      for (int64_t bag = first; bag < end; ++bag)
        for (int64_t column = 0; column < plan.columns; column += kChunk) {
          const int64_t count = std::min(kChunk, plan.columns - column);
          std::fill_n(sums, count, plan.is_max ? -HUGE_VAL : 0.0);
          for (int64_t i = bag * plan.length; i < (bag + 1) * plan.length; ++i) {
            const float* row = get(from_front(positions[i], plan.rows), column, count, buffer);
            take_row(plan.is_max, scale(i), row, count, sums);
          }
          const double divisor = plan.is_mean ? static_cast<double>(plan.length) : 1;
          for (int64_t i = 0; i < count; ++i) buffer[i] = static_cast<float>(sums[i] / divisor);
          put(bag * plan.columns + column, buffer, count);
        }
    });
  });
}

Run compile_f32(const CompileCall& call) {
  return [plan = plan_bags(call), table = table_of_weight<float>(call)](const RunCall& run) {
    const float* weight = table->data();
    const float* scales = run.in.size() > 2 ? run.in[2].as<float>() : nullptr;
    float* out = run.out[0].as<float>();
    add_bags(
        plan, run.in[0],
        [&](int64_t row, int64_t column, int64_t, float*) { return weight + row * plan.columns + column; },
        [&](int64_t i) { return scales != nullptr ? double{scales[i]} : 1.0; },
        [&](int64_t to, const float* values, int64_t count) { std::copy_n(values, count, out + to); });
  };
}

// Q of the same of D(weight) and D(scale).
Run compile_quant(const CompileCall& call) {
  const bool has_scales = call.in.size() > 2;
  const AffineU8 scale = has_scales ? affine_of(call.in[2], "the weights per sample") : AffineU8{1, 0};
  return [plan = plan_bags(call), table = table_of_weight<int8_t>(call), reals = RowReals(call.in[1]),
          to_u8 = to_u8_of(call.out[0]), scale, has_scales,
          quantize = call.kernels.quantize_u8](const RunCall& run) {
    const uint8_t* scales = has_scales ? run.in[2].as<uint8_t>() : nullptr;
    uint8_t* out = run.out[0].as<uint8_t>();
    add_bags(
        plan, run.in[0],
        [&](int64_t row, int64_t column, int64_t count, float* buffer) {
          reals.get(table->data(), row, column, count, buffer);
          return buffer;
        },
        [&](int64_t i) {
          return has_scales ? double{dequantize_value(scales[i], scale.scale, scale.zero_point)} : 1.0;
        },
        [&](int64_t to, const float* values, int64_t count) {
          quantize(values, static_cast<size_t>(count), to_u8, out + to);
        });
  };
}

constexpr AttrSpec kAttrs[] = {
    {"mode", "sum, mean or max of the rows of a bag", AttrKind::kString, "sum"},
};

constexpr Shape kBags[] = {{3, 7}, {11, 33}};
constexpr Shape kOne[] = {{5, 1}, {3, 300}};
constexpr Shape kScaled[] = {{4, 6}, {9, 17}, {4, 6}};
constexpr Case kCases[] = {
    {.inputs = kBags, .constants_from = 1, .indices_below = 11},
    {.attrs = "mode=mean", .inputs = kBags, .constants_from = 1, .indices_below = 11},
    {.attrs = "mode=max", .inputs = kBags, .constants_from = 1, .indices_below = 11},
    {.inputs = kOne, .constants_from = 1, .indices_below = 3},
    {.inputs = kScaled, .constants_from = 1, .indices_below = 9},
};

}  // namespace

extern const OpDef op_embedding_bag;
constinit const OpDef op_embedding_bag = {
    .name = "embedding_bag",
    .doc = "the sum, mean or greatest of the rows of a table of weights that a bag of indices names",
    .inputs_min = 2,
    .inputs_max = 3,
    .attrs = kAttrs,
    .layout = Layout::kPlain,
    .weight = 1,
    .channel_axis = -1,
    .indices = 0,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
