#include "ops/shared/u8.h"

#include "base/text.h"
#include "ops/shared/unary.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 15;  // bytes: a few microseconds

}  // namespace

AffineU8 affine_of(const TensorType& type, std::string_view what) {
  if (type.dtype != DType::kU8)
    throw Error(ErrorKind::kUnsupported, text(what, " is ", name_of(type.dtype), ", wanted u8"));
  const size_t scales = type.qparams ? type.qparams->scales.size() : 0;
  if (scales != 1) throw Error(ErrorKind::kUnsupported, text(what, " has ", scales, " scales, wanted 1"));
  return {static_cast<float>(type.qparams->scales[0]), type.qparams->zero_points[0]};
}

ToU8 to_u8_of(const TensorType& out, float min, float max) {
  const AffineU8 to = affine_of(out, "output");
  const auto level = [&](float real) {
    return quantize_value(real, to.scale, to.zero_point, out.qparams->quant_min, out.qparams->quant_max);
  };
  return {1.f / to.scale, to.zero_point, level(min), level(max)};
}

bool same_integers(const TensorType& in, const TensorType& out) {
  const AffineU8 from = affine_of(in, "input"), to = affine_of(out, "output");
  return from.scale == to.scale && from.zero_point == to.zero_point &&
         out.qparams->quant_min <= in.qparams->quant_min && in.qparams->quant_max <= out.qparams->quant_max;
}

Run compile_lookup(const CompileCall& call, const Table& table) {
  return compile_parts(
      call, kGrain, [lookup = call.kernels.lut_u8, table](const RunCall& run, int64_t first, int64_t count) {
        lookup(run.in[0].as<uint8_t>() + first, static_cast<size_t>(count), table.data(),
               run.out[0].as<uint8_t>() + first);
      });
}

}  // namespace q
