// gru: r, z = sigmoid(gx + gh), n = tanh(gx + r gh);  h' = (h - n) z + n, step by step.
#include "base/text.h"
#include "ops/shared/recurrent.h"
#include "q/op.h"

namespace q {

namespace {

const Cell& cell_of(const Attrs& attrs) {
  const int64_t linear = attr_int(attrs, "linear_before_reset");
  if (linear != 0 && linear != 1)
    throw Error(ErrorKind::kInvalid, text("linear_before_reset is ", linear, ", wanted 0 or 1"));
  return linear == 1 ? kGruCell : kGruBeforeCell;
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_recurrent(attrs, in, cell_of(attrs));
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_recurrent<T>(call, cell_of(call.attrs));
}

bool map_onnx(OnnxNode& node) {
  static constexpr int kOrder[] = {1, 0, 2};  // of z r h
  return map_onnx_recurrent(node, kOrder, "Sigmoid,Tanh");
}

constexpr OnnxName kOnnx[] = {{"GRU", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    kDirection,
    kLayout,
    {"linear_before_reset", "1: n = tanh(gx + r (R h + b)), as PyTorch has it; 0: n = tanh(gx + R (r h) + b)",
     AttrKind::kInt, "0"},
};

constexpr Shape kPlain[] = {{3, 2, 5}, {21, 5}, {21, 7}};            // H that is no multiple of 4
constexpr Shape kBoth[] = {{4, 26, 8}, {96, 8}, {96, 16}, {2, 96}};  // two blocks of samples
constexpr Shape kState[] = {{3, 2, 4}, {9, 4}, {9, 3}, {2, 9}, {1, 2, 3}};
constexpr Shape kSamplesFirst[] = {{2, 5, 3}, {102, 3}, {102, 17}, {2, 102}, {1, 2, 17}};
constexpr Case kCases[] = {
    {.inputs = kPlain, .constants_from = 1},
    {.attrs = "linear_before_reset=1", .inputs = kPlain, .constants_from = 1},
    {.attrs = "direction=bidirectional", .inputs = kBoth, .constants_from = 1},
    {.attrs = "direction=bidirectional;linear_before_reset=1", .inputs = kBoth, .constants_from = 1},
    {.attrs = "direction=reverse", .inputs = kState, .constants_from = 1},
    {.attrs = "direction=bidirectional;layout=1", .inputs = kSamplesFirst, .constants_from = 1},
};

}  // namespace

extern const OpDef op_gru;
constinit const OpDef op_gru = {
    .name = "gru",
    .doc =
        "gated recurrent units over x [T, N, I] with weights [D*3*H, I] and [D*3*H, H], gates r z n, "
        "bias [2, D*3*H] and initial h [D, N, H], giving y [T, D, N, H] and the last h",
    .inputs_min = 3,
    .inputs_max = 5,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .weight = 1,
    .weights = 2,
    .parameters_from = 3,
    .parameters = 1,
    .infer = infer,
    .samples = samples_recurrent,
    .f32 = compile<float>,
    .quant = compile<uint8_t>,
    .macs = recurrent_macs,
    .cases = kCases,
};

}  // namespace q
