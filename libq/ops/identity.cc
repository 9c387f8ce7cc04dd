// identity: y = x.
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

bool map_dropout(OnnxNode& node) {
  if (has_input(node, 2)) {  // training_mode, from opset 12 on
    const OnnxNode::Input& mode = node.inputs[2];
    if (!mode.constant || *mode.constant->as<uint8_t>() != 0)
      throw Error(ErrorKind::kUnsupported, "training_mode is on or computed, wanted false");
  }
  node.attrs.clear();  // ratio and seed do nothing at inference
  drop_inputs(node, 1);
  return true;
}

bool map_cast(OnnxNode& node) {
  return take_cast_target(node) == CastTarget::kReals && node.inputs.at(0).type.dtype == DType::kF32;
}

constexpr OnnxName kOnnx[] = {{"Identity"}, {"Dropout", 7, map_dropout}, {"Cast", 7, map_cast}};

constexpr Shape kOdd[] = {{3, 17}};
constexpr Shape kImage[] = {{2, 3, 5, 7}};
constexpr Case kCases[] = {{.inputs = kOdd}, {.inputs = kImage}};

}  // namespace

extern const OpDef op_identity;
constinit const OpDef op_identity = {
    .name = "identity",
    .doc = "x unchanged",
    .onnx = kOnnx,
    .qrule = QRule::kAsInput,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_move,
    .quant = compile_move,
    .cases = kCases,
};

}  // namespace q
