// cast: integers as the reals they are equal to, rounded to float32.
#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/unary.h"
#include "q/op.h"

namespace q {

namespace {

template <typename T>
Run compile_from(const CompileCall& call) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  return [count = elements(call.out[0].shape)](const RunCall& run) {
    parallel_blocks(count, kGrain, [&](int64_t first, int64_t end) {
      const T* x = run.in[0].as<T>();
      float* y = run.out[0].as<float>();
      for (int64_t i = first; i < end; ++i) y[i] = static_cast<float>(x[i]);
    });
  };
}

Run compile(const CompileCall& call) {
  if (call.in[0].qparams || call.out[0].dtype != DType::kF32)
    throw Error(ErrorKind::kInvalid, text(name_of(call.in[0].dtype), " to ", name_of(call.out[0].dtype),
                                          ", wanted plain numbers to f32"));
  switch (call.in[0].dtype) {
    case DType::kF32:
      return compile_from<float>(call);
    case DType::kI64:
      return compile_from<int64_t>(call);
    case DType::kI32:
      return compile_from<int32_t>(call);
    case DType::kI16:
      return compile_from<int16_t>(call);
    case DType::kI8:
      return compile_from<int8_t>(call);
    case DType::kU8:
    case DType::kBool:
      return compile_from<uint8_t>(call);
    default:
      throw Error(ErrorKind::kUnsupported, text("input is ", name_of(call.in[0].dtype),
                                                ", wanted f32, bool or integers of 8 to 64 bits"));
  }
}

bool map_onnx(OnnxNode& node) {
  return take_cast_target(node) == CastTarget::kReals && node.inputs.at(0).type.dtype != DType::kF32;
}

constexpr OnnxName kOnnx[] = {{"Cast", 7, map_onnx}};

constexpr Shape kOdd[] = {{3, 17}};
constexpr Case kCases[] = {{.inputs = kOdd}};

}  // namespace

extern const OpDef op_cast;
constinit const OpDef op_cast = {
    .name = "cast",
    .doc = "integers x as float32, rounded to even where it does not hold them",
    .onnx = kOnnx,
    .takes_integers = true,
    .qrule = QRule::kFloat,
    .infer = infer_same,
    .samples = samples_anywhere,
    .quant = compile,
    .cases = kCases,
};

}  // namespace q
