// lstm: i, f, o = sigmoid(gx + gh), g = tanh(gx + gh);  c' = f c + i g,  h' = o tanh(c'), step by step.
#include "ops/shared/recurrent.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_recurrent(attrs, in, kLstmCell);
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_recurrent<T>(call, kLstmCell);
}

bool map_onnx(OnnxNode& node) {
  static constexpr int kOrder[] = {0, 2, 3, 1};  // of i o f c
  return map_onnx_recurrent(node, kOrder, "Sigmoid,Tanh,Tanh");
}

constexpr OnnxName kOnnx[] = {{"LSTM", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {kDirection, kLayout};

constexpr Shape kPlain[] = {{3, 2, 5}, {28, 5}, {28, 7}};               // H that is no multiple of 4
constexpr Shape kBoth[] = {{4, 26, 8}, {128, 8}, {128, 16}, {2, 128}};  // two blocks of samples
constexpr Shape kStates[] = {{3, 2, 4}, {12, 4}, {12, 3}, {2, 12}, {1, 2, 3}, {1, 2, 3}};
constexpr Shape kSamplesFirst[] = {{2, 5, 3}, {136, 3}, {136, 17}, {2, 136}, {2, 2, 17}, {1, 2, 17}};
constexpr Shape kLong[] = {{100, 1, 4}, {32, 4}, {32, 8}, {2, 32}};  // more rows than a block has
constexpr Case kCases[] = {
    {.inputs = kPlain, .constants_from = 1},
    {.attrs = "direction=bidirectional", .inputs = kBoth, .constants_from = 1},
    {.attrs = "direction=reverse", .inputs = kStates, .constants_from = 1},
    {.attrs = "direction=bidirectional;layout=1", .inputs = kSamplesFirst, .constants_from = 1},
    {.inputs = kLong, .constants_from = 1},
};

}  // namespace

extern const OpDef op_lstm;
constinit const OpDef op_lstm = {
    .name = "lstm",
    .doc =
        "long short-term memory over x [T, N, I] with weights [D*4*H, I] and [D*4*H, H], gates i f g o, "
        "bias [2, D*4*H] and initial h and c [D, N, H], giving y [T, D, N, H] and the last h and c",
    .inputs_min = 3,
    .inputs_max = 6,
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
