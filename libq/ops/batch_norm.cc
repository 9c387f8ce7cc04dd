// batch_norm: (x - mean) / sqrt(var + epsilon) * scale + bias per channel, clamped to [min, max].
#include <cmath>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "ops/shared/channels.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "ops/shared/weights.h"
#include "q/op.h"

namespace q {

namespace {

constexpr std::string_view kNames[] = {"input", "scale", "bias", "mean", "var"};

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& shape = in[0].shape;
  check_clamp(attrs);
  if (shape.rank < 2 || shape.rank > 5)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(shape), ", wanted rank 2 to 5"));
  for (size_t i = 1; i < in.size(); ++i) {
    if (in[i].shape != Shape{shape[1]})
      throw Error(ErrorKind::kInvalid, text(kNames[i], " is ", to_string(in[i].shape), ", input is ",
                                            to_string(shape), ", wanted ", to_string(Shape{shape[1]})));
  }
  return {shape};
}

void samples(const Attrs&, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in);
  if (free_axis(in[0].shape) == 1) throw mixes_samples("parameters along axis 1");
}

struct Parameters {
  const float *scale, *bias, *mean, *var;
  int64_t channels;
  double epsilon;
  float min, max;
};

Parameters parameters_of(const CompileCall& call) {
  for (size_t i = 1; i < call.in.size(); ++i) {
    if (call.constants[i].data == nullptr || call.in[i].dtype != DType::kF32)
      throw Error(ErrorKind::kUnsupported,
                  text(kNames[i], " is ", call.constants[i].data == nullptr ? "computed " : "",
                       name_of(call.in[i].dtype), ", wanted an f32 constant"));
  }
  return {call.constants[1].as<float>(),
          call.constants[2].as<float>(),
          call.constants[3].as<float>(),
          call.constants[4].as<float>(),
          call.in[0].shape[1],
          attr_float(call.attrs, "epsilon"),
          static_cast<float>(attr_float(call.attrs, "min")),
          static_cast<float>(attr_float(call.attrs, "max"))};
}

// y = f32: x * alpha + beta, with alpha and beta evaluated in binary64.
Run compile_f32(const CompileCall& call) {
  struct Lines {
    std::vector<float> alpha, beta;
    float min, max;
  };
  const Parameters p = parameters_of(call);
  auto lines = std::make_shared<Lines>(Lines{{}, {}, p.min, p.max});
  for (int64_t c = 0; c < p.channels; ++c) {
    const double alpha = p.scale[c] / std::sqrt(p.var[c] + p.epsilon);
    lines->alpha.push_back(static_cast<float>(alpha));
    lines->beta.push_back(static_cast<float>(p.bias[c] - p.mean[c] * alpha));
  }
  return [rows = count_rows(call.in[0].shape), lines](const RunCall& run) {
    const int64_t channels = std::ssize(lines->alpha);
    for_each_row(rows, channels, [&](int64_t row) {
      const float* x = run.in[0].as<float>() + row * channels;
      float* out = run.out[0].as<float>() + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        float y = x[c] * lines->alpha[static_cast<size_t>(c)] + lines->beta[static_cast<size_t>(c)];
        y = y < lines->min ? lines->min : y;
        out[c] = y > lines->max ? lines->max : y;
      }
    });
  };
}

// What a channel's integers become, as torch's quantized::batch_norm; s / so is taken in binary64:
//   r = f32: 1 / sqrt(var + epsilon), alpha = f32: r * scale * f32(s / so), beta = f32: (bias - mean * r *
//   scale) / so clamp(zo + rint(f32: alpha * (q - z) + beta), lo, hi)
Table channel_table(const CompileCall& call, const Parameters& p, int64_t c) {
  const QParams &in = *call.in[0].qparams, &out = *call.out[0].qparams;
  const ToU8 to = to_u8_of(call.out[0], p.min, p.max);
  const float r = 1.f / std::sqrt(p.var[c] + static_cast<float>(p.epsilon));
  const float alpha = r * p.scale[c] * static_cast<float>(in.scales[0] / out.scales[0]);
  const float beta = (p.bias[c] - p.mean[c] * r * p.scale[c]) / static_cast<float>(out.scales[0]);
  Table table{};
  for (int32_t q = 0; q < 256; ++q) {
    const float y = alpha * static_cast<float>(q - in.zero_points[0]) + beta;
    table[static_cast<size_t>(q)] = static_cast<uint8_t>(quantize_value(y, 1, to.zero_point, to.lo, to.hi));
  }
  return table;
}

Run compile_quant(const CompileCall& call) {
  affine_of(call.in[0], "input");
  const Parameters p = parameters_of(call);
  std::vector<Table> tables;
  for (int64_t c = 0; c < p.channels; ++c) tables.push_back(channel_table(call, p, c));
  return compile_channel_lookup(call, std::move(tables));
}

bool map_onnx(OnnxNode& node) {
  if (take_attr<int64_t>(node.attrs, "training_mode", 0) != 0)
    throw Error(ErrorKind::kUnsupported, "training_mode is 1, wanted 0");
  if (take_attr<int64_t>(node.attrs, "spatial", 1) != 1)
    throw Error(ErrorKind::kUnsupported, "spatial is 0, wanted 1");
  node.attrs.erase("momentum");
  return true;
}

constexpr OnnxName kOnnx[] = {{"BatchNormalization", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"epsilon", "added to the variance", AttrKind::kFloat, "1e-5"},
    {"min", "lower limit of the result", AttrKind::kFloat, "-inf"},
    {"max", "upper limit of the result", AttrKind::kFloat, "inf"},
};

constexpr Shape kImage[] = {{2, 19, 3, 4}, {19}, {19}, {19}, {19}};
constexpr Shape kRow[] = {{3, 7}, {7}, {7}, {7}, {7}};
constexpr Shape kSignal[] = {{2, 5, 7}, {5}, {5}, {5}, {5}};
constexpr Shape kVolume[] = {{1, 3, 2, 5, 4}, {3}, {3}, {3}, {3}};
constexpr Case kCases[] = {
    {.inputs = kImage, .constants_from = 1},
    {.inputs = kSignal, .constants_from = 1},
    {.inputs = kVolume, .constants_from = 1},
    {.attrs = "min=0;epsilon=0.001", .inputs = kImage, .lo = -3, .hi = 3, .constants_from = 1},
    {.inputs = kRow, .constants_from = 1},
};

}  // namespace

extern const OpDef op_batch_norm;
constinit const OpDef op_batch_norm = {
    .name = "batch_norm",
    .doc =
        "(x - mean) / sqrt(var + epsilon) * scale + bias per channel (axis 1), clamped to [min, max]; "
        "inputs x, scale, bias, mean, var",
    .inputs_min = 5,
    .inputs_max = 5,
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .parameters_from = 1,
    .infer = infer,
    .samples = samples,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
