// isinf: 1 where x is infinite, else 0.
#include <limits>

#include "ops/shared/samples.h"
#include "ops/shared/truth.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

auto is_infinite(const Attrs& attrs) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool above = attr_int(attrs, "detect_positive") != 0, below = attr_int(attrs, "detect_negative") != 0;
  return
      [above, below](float x) { return (above && x == kInfinity) || (below && x == -kInfinity) ? 1.f : 0.f; };
}

constexpr OnnxName kOnnx[] = {{"IsInf", 10}};

constexpr AttrSpec kAttrs[] = {
    {"detect_positive", "0: not where it is positive", AttrKind::kInt, "1"},
    {"detect_negative", "0: not where it is negative", AttrKind::kInt, "1"},
};

constexpr Shape kRow[] = {{1, 8}};
constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kRow},
    {.attrs = "detect_positive=0", .inputs = kOdd},
    {.attrs = "detect_negative=0", .inputs = kOdd},
};

}  // namespace

extern const OpDef op_isinf;
constinit const OpDef op_isinf = {
    .name = "isinf",
    .doc = "1 where x is infinite, else 0; elementwise",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .qrule = QRule::kFixed,
    .fixed_lo = 0,
    .fixed_hi = kTruthEnd,
    .infer = infer_same,
    .samples = samples_anywhere,
    .f32 = compile_function<is_infinite>,
    .unary = call_function<is_infinite>,
    .cases = kCases,
};

}  // namespace q
