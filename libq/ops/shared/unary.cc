#include "ops/shared/unary.h"

#include "ops/shared/u8.h"

namespace q {

std::vector<Shape> infer_same(const Attrs&, std::span<const TensorType> in) { return {in[0].shape}; }

Run compile_clamp_f32(const CompileCall& call, float lo, float hi) {
  return compile_elementwise(call, [lo, hi](float x) {
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
  });
}

Run compile_unary_f32(const OpDef& op, const CompileCall& call) {
  return compile_elementwise(call,
                             [unary = op.unary, attrs = call.attrs](float x) { return unary(attrs, x); });
}

Run compile_table(const OpDef& op, const CompileCall& call) {
  const auto f = [&](float x) { return op.unary(call.attrs, x); };
  return compile_lookup(call, table_of(call.in[0], call.out[0], f));
}

}  // namespace q
