// matmul: y = clamp(alpha * a * b + bias, min, max) of matrices or batches of them, both computed.
#include <cmath>

#include "base/text.h"
#include "ops/shared/gemm_onnx.h"
#include "ops/shared/onnx.h"
#include "ops/shared/product.h"
#include "ops/shared/samples.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const ProductShape shape = product_shape(attrs, in);
  const float alpha = static_cast<float>(attr_float(attrs, "alpha"));
  if (!std::isfinite(alpha) || alpha == 0)
    throw Error(ErrorKind::kInvalid,
                text("alpha is ", number(alpha), ", wanted a finite number other than 0"));
  check_bias(in, shape.n);
  check_clamp(attrs);
  Shape out = shape.batch;
  if (shape.has_rows) out[out.rank++] = shape.m;
  if (shape.has_columns) out[out.rank++] = shape.n;
  return {out};
}

void samples(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  if (is_free(product_shape(attrs, in).k)) throw mixes_samples("a sum over the axis they lie along");
}

int64_t macs(const Attrs& attrs, std::span<const TensorType> in, const Shape& out) {
  return count_macs(out, std::abs(product_shape(attrs, in).k));
}

// ---- ONNX ----

// Those with a constant second operand are linear's.
bool map_gemm(OnnxNode& node) {
  node.attrs["trans_a"] = int64_t{take_attr<int64_t>(node.attrs, "transA", 0) != 0};
  const bool transposed = take_attr<int64_t>(node.attrs, "transB", 0) != 0;
  node.attrs["trans_b"] = int64_t{transposed};
  const double beta = take_attr<double>(node.attrs, "beta", 1);
  for (size_t i = 0; i < 2; ++i) {
    const Shape& shape = node.inputs.at(i).type.shape;
    if (shape.rank != 2)
      throw Error(ErrorKind::kInvalid, text("input ", i + 1, " is ", to_string(shape), ", wanted rank 2"));
  }
  rearrange_bias(node, node.inputs[1].type.shape[transposed ? 0 : 1], static_cast<float>(beta));
  return true;
}

bool is_linear(const OnnxNode& node) {
  return node.inputs.at(1).constant && node.inputs[1].type.shape.rank == 2;
}
bool map_matmul(OnnxNode& node) { return !is_linear(node); }

constexpr OnnxName kOnnx[] = {{"MatMul", 7, map_matmul}, {"Gemm", 7, map_gemm}};

constexpr AttrSpec kAttrs[] = {
    {"alpha", "factor of the product, other than 0", AttrKind::kFloat, "1"},
    {"trans_a", "1: a holds [..., K, M]", AttrKind::kInt, "0"},
    {"trans_b", "1: b holds [..., N, K]", AttrKind::kInt, "0"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr Shape kPlain[] = {{7, 63}, {63, 65}};               // k that is no multiple of 4; tails
constexpr Shape kHeads[] = {{2, 3, 17, 16}, {2, 3, 16, 19}};  // attention
constexpr Shape kShared[] = {{2, 5, 33}, {33, 10}};           // one second operand for all
constexpr Shape kSpread[] = {{3, 1, 4, 5}, {2, 5, 6}};        // both are repeated
constexpr Shape kTransposed[] = {{2, 9, 7}, {2, 13, 9}};      // [K, M] and [N, K]
constexpr Shape kBias[] = {{2, 6, 31}, {2, 31, 66}, {66}};
constexpr Shape kGemm[] = {{21, 6}, {5, 21}, {5}};
constexpr Shape kVectors[] = {{37}, {37}};
constexpr Shape kVectorLeft[] = {{12}, {3, 12, 5}};
constexpr Shape kVectorRight[] = {{3, 5, 12}, {12}};
constexpr Case kCases[] = {
    {.attrs = "", .inputs = kPlain},
    {.attrs = "", .inputs = kHeads, .lo = 0, .hi = 1},
    {.attrs = "alpha=0.125", .inputs = kHeads, .lo = -4, .hi = 1},
    {.attrs = "min=0", .inputs = kShared},
    {.attrs = "", .inputs = kShared, .constants_from = 1},
    {.attrs = "min=-1;max=1", .inputs = kSpread},
    {.attrs = "trans_a=1;trans_b=1", .inputs = kTransposed, .lo = -1, .hi = 0.25f},
    {.attrs = "", .inputs = kBias, .constants_from = 2},
    {.attrs = "alpha=-0.5;trans_a=1;trans_b=1", .inputs = kGemm, .constants_from = 2},
    {.attrs = "", .inputs = kVectors},
    {.attrs = "", .inputs = kVectorLeft},
    {.attrs = "", .inputs = kVectorRight},
};

}  // namespace

extern const OpDef op_matmul;
constinit const OpDef op_matmul = {
    .name = "matmul",
    .doc =
        "a [..., M, K] times b [..., K, N] times alpha, batches broadcast, plus bias [N], clamped to [min, "
        "max]; a vector is a row on the left, a column on the right",
    .inputs_min = 2,
    .inputs_max = 3,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .bias = 2,
    .channel_axis = -1,
    .takes_epilogue = true,
    .infer = infer,
    .samples = samples,
    .f32 = compile_product<float>,
    .quant = compile_product<uint8_t>,
    .macs = macs,
    .cases = kCases,
};

}  // namespace q
