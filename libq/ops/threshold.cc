// threshold: x for x > threshold, else value.
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

// a NaN stays one
auto threshold_of(const Attrs& attrs) {
  return [threshold = static_cast<float>(attr_float(attrs, "threshold")),
          value = static_cast<float>(attr_float(attrs, "value"))](float x) {
    return x <= threshold ? value : x;
  };
}

bool map_thresholded_relu(OnnxNode& node) {
  node.attrs.emplace("threshold", take_attr<double>(node.attrs, "alpha", 1));
  return true;
}

constexpr OnnxName kOnnx[] = {{"ThresholdedRelu", 10, map_thresholded_relu}};

constexpr AttrSpec kAttrs[] = {
    {"threshold", "the greatest x that is replaced", AttrKind::kFloat},
    {"value", "what it is replaced by", AttrKind::kFloat, "0"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.attrs = "threshold=0.5", .inputs = kRow, .lo = -4, .hi = 4},
    {.attrs = "threshold=-0.25;value=-1", .inputs = kOdd, .lo = -1, .hi = 1},
};

}  // namespace

extern const OpDef op_threshold;
constinit const OpDef op_threshold = {
    .name = "threshold",
    .doc = "x, up to the threshold value, elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<threshold_of>,
    .unary = call_function<threshold_of>,
    .cases = kCases,
};

}  // namespace q
