// cat: the inputs one behind the other along an axis.
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
};

Run compile(const CompileCall& call, std::vector<Part> parts) {
  const Shape& out = call.out[0].shape;
  const int axis = normalize_axis(attr_int(call.attrs, "axis"), out.rank, "attribute axis");
  size_t row_bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].bytes = static_cast<size_t>(product(call.in[i].shape, axis, out.rank)) * parts[i].bytes;
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
          const std::byte* from = run.in[i].data + static_cast<size_t>(row) * part.bytes;
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
  return compile(call, std::vector<Part>(call.in.size(), Part{sizeof(float), {}}));
}

// Per input: integers copied when they mean the same in the output, else Q(D(q)).
Run compile_quant(const CompileCall& call) {
  std::vector<Part> parts;
  for (const TensorType& type : call.in) {
    Part part{1, {}};
    if (!same_integers(type, call.out[0]))
      part.table = table_of(type, call.out[0], [](float x) { return x; });
    parts.push_back(part);
  }
  return compile(call, std::move(parts));
}

// A constant of extent 1 where others have any number of samples would have to be repeated for each of them.
bool map_concat(OnnxNode& node) {
  const auto samples = std::ranges::find_if(
      node.inputs, [](const OnnxNode::Input& input) { return free_axis(input.type.shape) != kNone; });
  if (samples == node.inputs.end()) return true;
  const int axis = free_axis(samples->type.shape);
  for (const OnnxNode::Input& input : node.inputs) {
    const Shape& shape = input.type.shape;
    if (input.constant && axis < shape.rank && shape[axis] == 1)
      throw Error(ErrorKind::kUnsupported,
                  text("a constant ", to_string(shape), " beside samples ", to_string(samples->type.shape),
                       ", wanted one that is computed from them, or a fixed batch"));
  }
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
constexpr Case kCases[] = {
    {.attrs = "axis=1", .inputs = kChannels},
    {.attrs = "axis=-1", .inputs = kLast},
    {.attrs = "axis=0", .inputs = kRows, .constants_from = 1},
    {.attrs = "axis=1", .inputs = kOne},
};

}  // namespace

extern const OpDef op_cat;
constinit const OpDef op_cat = {
    .name = "cat",
    .doc = "the inputs one behind the other along an axis",
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
