// cat: the inputs one behind the other along an axis. One whose first extent is 1 where others have more is
// repeated: a constant may stand beside samples.
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/move.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const int cat_axis = normalize_axis(attr_int(attrs, "axis"), out.rank, "attribute axis");
  for (const TensorType& type : in)
    if (out[0] == 1 && type.shape.rank > 0) out[0] = type.shape[0];
  out[cat_axis] = 0;
  for (const TensorType& type : in) {
    Shape rest = type.shape;
    if (rest.rank != out.rank)
      throw Error(ErrorKind::kInvalid, text("inputs are ", to_string(in[0].shape), " and ", to_string(rest),
                                            ", wanted the same rank"));
    // batches one behind the other would no longer be a batch
    if (is_free(rest[cat_axis])) throw mixes_samples(text("inputs joined along axis ", cat_axis));
    out[cat_axis] += rest[cat_axis];
    rest[cat_axis] = out[cat_axis];
    if (rest[0] == 1 && out[0] >= -1) rest[0] = out[0];  // not for several of each sample
    if (rest != out)
      throw Error(ErrorKind::kInvalid,
                  text("inputs are ", to_string(in[0].shape), " and ", to_string(type.shape),
                       ", wanted to differ along axis ", cat_axis, " only"));
  }
  return {out};
}

// One input: its part of every row of the output.
struct Part {
  size_t bytes;
  std::optional<Table> table;  // when its integers mean something else in the output
  int64_t rows = 0;            // its own, which are repeated
};

Run compile(const CompileCall& call, std::vector<Part> parts) {
  const Shape& out = call.out[0].shape;
  const int axis = normalize_axis(attr_int(call.attrs, "axis"), out.rank, "attribute axis");
  size_t row_bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].bytes = static_cast<size_t>(product(call.in[i].shape, axis, out.rank)) * parts[i].bytes;
    parts[i].rows = std::max<int64_t>(1, product(call.in[i].shape, 0, axis));
    row_bytes += parts[i].bytes;
  }
  constexpr size_t kGrainBytes = 1 << 15;
  const int64_t grain =
      static_cast<int64_t>(std::max<size_t>(1, kGrainBytes / std::max<size_t>(1, row_bytes)));
  return [rows = product(out, 0, axis), grain, row_bytes, lookup = call.kernels.lut_u8,
          shared = std::make_shared<const std::vector<Part>>(std::move(parts))](const RunCall& run) {
    parallel_blocks(rows, grain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row) {
        std::byte* to = run.out[0].data + static_cast<size_t>(row) * row_bytes;
        for (size_t i = 0; i < shared->size(); ++i) {
          const Part& part = (*shared)[i];
          const std::byte* from = run.in[i].data + static_cast<size_t>(row % part.rows) * part.bytes;
          if (part.table)
            lookup(reinterpret_cast<const uint8_t*>(from), part.bytes, part.table->data(),
                   reinterpret_cast<uint8_t*>(to));
          else
            std::memcpy(to, from, part.bytes);
          to += part.bytes;
        }
      }
    });
  };
}

Run compile_f32(const CompileCall& call) {
  for (const TensorType& type : call.in) {
    if (type.dtype != DType::kF32)
      throw Error(ErrorKind::kUnsupported, text("an input is ", name_of(type.dtype), ", wanted f32"));
  }
  return compile(call, std::vector<Part>(call.in.size(), Part{sizeof(float), {}, 0}));
}

// Per input: integers copied when they mean the same in the output, else Q(D(q)).
Run compile_quant(const CompileCall& call) {
  std::vector<Part> parts;
  for (const TensorType& type : call.in) {
    Part part{1, {}, 0};
    if (!same_integers(type, call.out[0]))
      part.table = table_of(type, call.out[0], [](float x) { return x; });
    parts.push_back(part);
  }
  return compile(call, std::move(parts));
}

// ONNX has all inputs of the same first extent; only a constant of one sample, beside any number of them, is
// of another.
bool map_concat(OnnxNode& node) {
  const auto first_of = [](const OnnxNode::Input& input) {
    const Shape& shape = input.type.shape;
    return shape.rank == 0 ? 1 : shape[0];
  };
  const auto more =
      std::ranges::find_if(node.inputs, [&](const auto& input) { return first_of(input) != 1; });
  if (more == node.inputs.end()) return true;
  const int axis = normalize_axis(attr_int(node.attrs, "axis"), more->type.shape.rank, "attribute axis");
  for (const OnnxNode::Input& input : node.inputs)
    if (axis != 0 && first_of(input) == 1 && !(input.constant && is_free(first_of(*more))))
      throw Error(ErrorKind::kInvalid,
                  text("inputs are ", to_string(more->type.shape), " and ", to_string(input.type.shape),
                       ", wanted to differ along axis ", axis, " only"));
  return true;
}

constexpr OnnxName kOnnx[] = {{"Concat", 7, map_concat}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the inputs follow one another", AttrKind::kInt, "1", true},
};

constexpr Shape kChannels[] = {{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 7, 4, 5}};
constexpr Shape kLast[] = {{3, 17}, {3, 1}};
constexpr Shape kRows[] = {{2, 5}, {3, 5}};
constexpr Shape kOne[] = {{2, 3}};
constexpr Shape kRepeatedFirst[] = {{4, 2, 3}, {1, 2, 2}};
constexpr Shape kRepeated[] = {{1, 2, 3}, {4, 1, 3}};
constexpr Case kCases[] = {
    {.attrs = "axis=1", .inputs = kChannels},
    {.attrs = "axis=-1", .inputs = kLast},
    {.attrs = "axis=0", .inputs = kRows, .constants_from = 1},
    {.attrs = "axis=1", .inputs = kOne},
    {.attrs = "axis=1", .inputs = kRepeated},
    {.attrs = "axis=2", .inputs = kRepeatedFirst, .constants_from = 1},
};

}  // namespace

extern const OpDef op_cat;
constinit const OpDef op_cat = {
    .name = "cat",
    .doc = "the inputs one behind the other along an axis; one whose first extent is 1 is repeated",
    .inputs_min = 1,
    .inputs_max = kMaxInputs,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kShared,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
