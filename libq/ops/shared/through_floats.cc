#include "ops/shared/through_floats.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/shared/u8.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

struct FloatForm {
  Run run;
  std::vector<Tensor> in{};  // of the u8 inputs; the others are empty
  std::vector<AffineU8> affine{};
  Tensor out{};
  ToU8 to{};
  decltype(Kernels::dequantize_u8) dequantize = nullptr;
  decltype(Kernels::quantize_u8) quantize = nullptr;
};

void run_through(const FloatForm& floats, std::vector<View>& views, Tensor& out, const RunCall& run) {
  for (size_t i = 0; i < views.size(); ++i) {
    if (floats.in[i].data == nullptr) {
      views[i] = run.in[i];
      continue;
    }
    const uint8_t* from = run.in[i].as<uint8_t>();
    float* to = reinterpret_cast<float*>(floats.in[i].data.get());
    parallel_blocks(elements(views[i].shape), kGrain, [&](int64_t first, int64_t end) {
      floats.dequantize(from + first, static_cast<size_t>(end - first), floats.affine[i], to + first);
    });
  }
  const MutableView reals = out.mutable_view();
  floats.run({views, {&reals, 1}});
  uint8_t* levels = run.out[0].as<uint8_t>();
  parallel_blocks(elements(out.type.shape), kGrain, [&](int64_t first, int64_t end) {
    floats.quantize(std::as_const(out).as<float>() + first, static_cast<size_t>(end - first), floats.to,
                    levels + first);
  });
}

}  // namespace

Run compile_through_floats(const CompileCall& call, Run (*f32)(const CompileCall&)) {
  std::vector<TensorType> in(call.in.begin(), call.in.end());
  std::vector<View> constants(call.constants.begin(), call.constants.end());
  auto floats = std::make_shared<FloatForm>();
  std::vector<View> views;
  for (size_t i = 0; i < in.size(); ++i) {
    const bool is_level = in[i].dtype == DType::kU8;
    floats->affine.push_back(is_level ? affine_of(in[i], "an input") : AffineU8{});
    if (is_level) in[i] = {DType::kF32, in[i].shape, {}};
    floats->in.push_back(is_level ? make_tensor(in[i]) : Tensor{});
    if (is_level) constants[i] = {};
    views.push_back(std::as_const(floats->in[i]).view());
  }
  const TensorType out{DType::kF32, call.out[0].shape, {}};
  floats->out = make_tensor(out);
  floats->to = to_u8_of(call.out[0]);
  floats->dequantize = call.kernels.dequantize_u8;
  floats->quantize = call.kernels.quantize_u8;
  floats->run = f32({call.attrs, in, {&out, 1}, constants, call.kernels});
  return [floats, views = std::make_shared<std::vector<View>>(std::move(views)),
          epilogue = call.epilogue](const RunCall& run) {
    run_through(*floats, *views, floats->out, run);
    if (epilogue) epilogue(run, {.first = 0, .count = elements(floats->out.type.shape)});
  };
}

}  // namespace q
