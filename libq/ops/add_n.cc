// add_n: (a + b + …) / divisor.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/shared/binary.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

// The sum in binary32, in the order of the inputs.
void add_to(size_t i, const float* x, size_t n, float* sum) {
  if (i == 0)
    std::copy_n(x, n, sum);
  else
    fill_with(static_cast<int64_t>(n), sum, [=](int64_t k) { return sum[k] + x[k]; });
}
void divide(float* sum, size_t n, float divisor) {
  fill_with(static_cast<int64_t>(n), sum, [=](int64_t k) { return sum[k] / divisor; });
}

Run compile_f32(const CompileCall& call) {
  check_f32(call);
  const float divisor = static_cast<float>(attr_float(call.attrs, "divisor"));
  return compile_fold<float, float>(call, add_to, [divisor](float* sum, size_t n, float* out) {
    divide(sum, n, divisor);
    std::copy_n(sum, n, out);
  });
}

// Q((D(a) + D(b) + …) / divisor)
Run compile_quant(const CompileCall& call) {
  std::vector<AffineU8> from;
  for (const TensorType& type : call.in) from.push_back(affine_of(type, "an input"));
  const float divisor = static_cast<float>(attr_float(call.attrs, "divisor"));
  const auto take = [reals = call.kernels.dequantize_u8, from](size_t i, const uint8_t* x, size_t n,
                                                               float* sum) {
    float real[kBroadcastBlock];
    reals(x, n, from[i], real);
    add_to(i, real, n, sum);
  };
  const auto give = [levels = call.kernels.quantize_u8, to = to_u8_of(call.out[0]), divisor](
                        float* sum, size_t n, uint8_t* out) {
    divide(sum, n, divisor);
    levels(sum, n, to, out);
  };
  return compile_fold<uint8_t, float>(call, take, give);
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  if (attr_float(attrs, "divisor") == 0)
    throw Error(ErrorKind::kInvalid, "attribute divisor is 0, wanted another");
  return infer_broadcast(attrs, in);
}

bool map_mean(OnnxNode& node) {
  node.attrs.emplace("divisor", static_cast<double>(node.inputs.size()));
  return true;
}
bool map_sum(OnnxNode& node) { return node.inputs.size() != 2; }  // add takes two

constexpr OnnxName kOnnx[] = {{"Sum", 7, map_sum}, {"Mean", 7, map_mean}};

constexpr AttrSpec kAttrs[] = {
    {"divisor", "what the sum is divided by: their number for the mean", AttrKind::kFloat, "1"},
};

constexpr Shape kThree[] = {{2, 3, 1, 4}, {3, 2, 1}, {1, 1, 1, 4}};
constexpr Shape kSame[] = {{3, 300}, {3, 300}, {3, 300}, {3, 300}};
constexpr Shape kMany[] = {
    {2, 5}, {5},    {2, 1}, {},     {2, 5}, {5},    {2, 1}, {},    {2, 5},
    {5},    {2, 1}, {},     {2, 5}, {5},    {2, 1}, {},     {2, 5}};  // more than are located at once
constexpr Shape kOne[] = {{3, 17}};
constexpr Case kCases[] = {
    {.inputs = kThree},
    {.attrs = "divisor=4", .inputs = kSame, .constants_from = 3},
    {.inputs = kMany, .constants_from = 1},
    {.inputs = kOne},
};

}  // namespace

extern const OpDef op_add_n;
constinit const OpDef op_add_n = {
    .name = "add_n",
    .doc = "the sum of the inputs, added in their order, / divisor; broadcast as numpy does",
    .inputs_min = 1,
    .inputs_max = kMaxInputs,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
