// rnn: h' = tanh(gx + gh), or relu of it, step by step.
#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/recurrent.h"
#include "q/op.h"

namespace q {

namespace {

const Cell& cell_of(const Attrs& attrs) {
  const std::string& name = attr_string(attrs, "nonlinearity");
  if (name != "tanh" && name != "relu")
    throw Error(ErrorKind::kInvalid, text("nonlinearity is ", name, ", wanted tanh or relu"));
  return name == "tanh" ? kRnnTanhCell : kRnnReluCell;
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  return infer_recurrent(attrs, in, cell_of(attrs));
}

template <typename T>
Run compile(const CompileCall& call) {
  return compile_recurrent<T>(call, cell_of(call.attrs));
}

bool map_onnx(OnnxNode& node) {
  static constexpr int kOrder[] = {0};
  const auto activations = node.attrs.find("activations");
  const bool is_relu =
      activations != node.attrs.end() && attr_string(node.attrs, "activations").starts_with("Relu");
  node.attrs.emplace("nonlinearity", is_relu ? "relu" : "tanh");
  return map_onnx_recurrent(node, kOrder, is_relu ? "Relu" : "Tanh");
}

constexpr OnnxName kOnnx[] = {{"RNN", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    kDirection,
    kLayout,
    {"nonlinearity", "tanh or relu", AttrKind::kString, "tanh"},
};

constexpr Shape kPlain[] = {{3, 2, 5}, {7, 5}, {7, 7}};
constexpr Shape kBoth[] = {{4, 26, 8}, {32, 8}, {32, 16}, {2, 32}};
constexpr Shape kState[] = {{3, 2, 4}, {3, 4}, {3, 3}, {2, 3}, {1, 1, 3}};
constexpr Shape kSamplesFirst[] = {{2, 5, 3}, {34, 3}, {34, 17}, {2, 34}, {2, 2, 17}};
constexpr Case kCases[] = {
    {.inputs = kPlain, .constants_from = 1},
    {.attrs = "direction=bidirectional", .inputs = kBoth, .lo = -0.5f, .hi = 0.5f, .constants_from = 1},
    {.attrs = "direction=reverse;nonlinearity=relu", .inputs = kState, .constants_from = 1},
    {.attrs = "direction=bidirectional;layout=1", .inputs = kSamplesFirst, .constants_from = 1},
};

}  // namespace

extern const OpDef op_rnn;
constinit const OpDef op_rnn = {
    .name = "rnn",
    .doc =
        "plain recurrent layer over x [T, N, I] with weights [D*H, I] and [D*H, H], bias [2, D*H] and "
        "initial h [D, N, H], giving y [T, D, N, H] and the last h",
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
