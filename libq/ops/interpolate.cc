// interpolate: an image in another size: y[i, j, ..] = the sum over taps of u[i, p] * v[j, q] * .. * x[p, q,
// ..]. Sums are in binary32, an axis inside the one before it, taps in their order.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/move.h"
#include "ops/shared/resize.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

constexpr int kAxes = 3;        // of an image, the first ones of extent 1 where it has fewer
constexpr int64_t kChunk = 64;  // channels that are computed at a time
constexpr int64_t kBuffer = 8 * kChunk;

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  if (out.rank < 3 || out.rank > 5)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(out), ", wanted [N,C,...] of rank 3 to 5"));
  for (int axis = 2; axis < out.rank; ++axis)
    if (is_free(out[axis])) throw mixes_samples(text("axis ", axis, " in another size"));
  const Ints extents = resized_extents(attrs, out.extents().subspan(2));
  std::ranges::copy(extents, out.dims.begin() + 2);
  return {out};
}

struct Plan {
  std::array<ResizeAxis, kAxes> axes;  // sources in elements from the start of the image
  std::array<int64_t, kAxes> out{1, 1, 1};
  int64_t images = 1, channels = 1, image = 1;  // elements of an image
};

Plan plan_of(const CompileCall& call) {
  const Shape &in = call.in[0].shape, &out = call.out[0].shape;
  Plan plan{.images = in[0], .channels = in[1], .image = product(in, 1, in.rank)};
  for (size_t i = 0; i < kAxes; ++i) {
    const int spatial = static_cast<int>(i) - (kAxes + 2 - in.rank);
    if (spatial < 0) {
      plan.axes[i] = {1, {0}, {1}};
      continue;
    }
    plan.out[i] = out[spatial + 2];
    plan.axes[i] = resize_axis(call.attrs, spatial, in[spatial + 2], plan.out[i]);
    const int64_t step = product(in, spatial + 3, in.rank) * in[1];
    for (int64_t& source : plan.axes[i].sources) source *= step;
  }
  return plan;
}

// Calls row(number, image, at) for every row of output pixels; at: its positions along the outer axes.
template <typename Row>
void for_rows(const Plan& plan, const Row& row) {
  constexpr int64_t kGrain = 1 << 14;  // elements
  const int64_t grain = std::max<int64_t>(1, kGrain / (plan.out[2] * plan.channels));
  parallel_blocks(plan.images * plan.out[0] * plan.out[1], grain, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      const int64_t outer = i / plan.out[1];
      row(i, outer / plan.out[0], std::array{outer % plan.out[0], i % plan.out[1]});
    }
  });
}

template <typename T>
Run compile_nearest(std::shared_ptr<const Plan> plan) {
  return [plan](const RunCall& run) {
    const int64_t channels = plan->channels, width = plan->out[2];
    const int64_t* sources = plan->axes[2].sources.data();
    for_rows(*plan, [&](int64_t row, int64_t image, std::array<int64_t, 2> at) {
      const T* from = run.in[0].as<T>() + image * plan->image +
                      plan->axes[0].sources[static_cast<size_t>(at[0])] +
                      plan->axes[1].sources[static_cast<size_t>(at[1])];
      T* to = run.out[0].as<T>() + row * width * channels;
      if (channels == 1) {
        for (int64_t x = 0; x < width; ++x) to[x] = from[sources[x]];
        return;
      }
      for (int64_t x = 0; x < width; ++x)
        std::memcpy(to + x * channels, from + sources[x], static_cast<size_t>(channels) * sizeof(T));
    });
  };
}

// The sums over the taps of axis kAxis and those inside of it, for `count` channels.
template <int kAxis, typename T>
void blend(const Plan& plan, const std::array<int64_t, kAxes>& at, const T* x, int64_t count, float* out) {
  const ResizeAxis& axis = plan.axes[kAxis];
  const int64_t* sources = axis.sources.data() + at[kAxis] * axis.taps;
  const float* weights = axis.weights.data() + at[kAxis] * axis.taps;
  if constexpr (kAxis < kAxes - 1) {
    blend<kAxis + 1>(plan, at, x + sources[0], count, out);
    if (axis.taps == 1) return;
    float inner[kChunk];
    for (int64_t c = 0; c < count; ++c) out[c] *= weights[0];
    for (int64_t tap = 1; tap < axis.taps; ++tap) {
      blend<kAxis + 1>(plan, at, x + sources[tap], count, inner);
      for (int64_t c = 0; c < count; ++c) out[c] += weights[tap] * inner[c];
    }
  } else {
    const T *a = x + sources[0], *b = x + sources[1];  // there are two taps or four
    for (int64_t c = 0; c < count; ++c)
      out[c] = weights[0] * static_cast<float>(a[c]) + weights[1] * static_cast<float>(b[c]);
    for (int64_t tap = 2; tap < axis.taps; ++tap)
      for (int64_t c = 0; c < count; ++c) out[c] += weights[tap] * static_cast<float>(x[sources[tap] + c]);
  }
}

// The results of a row in the order they are stored, some at a time: put(values, count).
template <typename T, typename Put>
void blend_row(const Plan& plan, const T* image, std::array<int64_t, 2> at, const Put& put) {
  float buffer[kBuffer];
  int64_t filled = 0;
  for (int64_t x = 0; x < plan.out[2]; ++x)
    for (int64_t channel = 0; channel < plan.channels; channel += kChunk) {
      const int64_t count = std::min(kChunk, plan.channels - channel);
      if (filled + count > kBuffer) {
        put(buffer, filled);
        filled = 0;
      }
      blend<0>(plan, {at[0], at[1], x}, image + channel, count, buffer + filled);
      filled += count;
    }
  put(buffer, filled);
}

Run compile_f32(const CompileCall& call) {
  auto plan = std::make_shared<const Plan>(plan_of(call));
  if (attr_string(call.attrs, "mode") == "nearest") return compile_nearest<float>(plan);
  return [plan](const RunCall& run) {
    for_rows(*plan, [&](int64_t row, int64_t image, std::array<int64_t, 2> at) {
      float* to = run.out[0].as<float>() + row * plan->out[2] * plan->channels;
      blend_row(*plan, run.in[0].as<float>() + image * plan->image, at,
                [&](const float* values, int64_t count) { to = std::copy_n(values, count, to); });
    });
  };
}

// On the integers: their weighted sum, without the zero point rounded and with it clamped.
Run compile_quant(const CompileCall& call) {
  moved_element_bytes(call);
  auto plan = std::make_shared<const Plan>(plan_of(call));
  if (attr_string(call.attrs, "mode") == "nearest") return compile_nearest<uint8_t>(plan);
  ToU8 to_u8 = to_u8_of(call.out[0]);
  to_u8.inverse_scale = 1;
  return [plan, to_u8, zero = static_cast<float>(to_u8.zero_point),
          quantize = call.kernels.quantize_u8](const RunCall& run) {
    for_rows(*plan, [&](int64_t row, int64_t image, std::array<int64_t, 2> at) {
      uint8_t* to = run.out[0].as<uint8_t>() + row * plan->out[2] * plan->channels;
      blend_row(*plan, run.in[0].as<uint8_t>() + image * plan->image, at, [&](float* values, int64_t count) {
        for (int64_t i = 0; i < count; ++i) values[i] -= zero;
        quantize(values, static_cast<size_t>(count), to_u8, to);
        to += count;
      });
    });
  };
}

constexpr OnnxName kOnnx[] = {{"Upsample", 7, map_resize}, {"Resize", 10, map_resize}};

constexpr AttrSpec kAttrs[] = {
    {"mode", "nearest, linear (bilinear, trilinear) or cubic", AttrKind::kString, "nearest"},
    {"sizes", "extents of the output's spatial axes; none: by the scales", AttrKind::kInts, "none"},
    {"scales", "output positions for each of the input; none: by the sizes", AttrKind::kFloats, "none"},
    {"coordinate_transformation_mode",
     "where pixels lie: half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners or asymmetric",
     AttrKind::kString, "half_pixel"},
    {"nearest_mode", "what is nearest: round_prefer_floor, round_prefer_ceil, floor or ceil",
     AttrKind::kString, "round_prefer_floor"},
    {"cubic_coeff_a", "parameter of the cubic kernel", AttrKind::kFloat, "-0.75"},
    {"exclude_outside", "1: cubic weights of pixels outside are dealt to the others", AttrKind::kInt, "0"},
};

constexpr Shape kImage[] = {{2, 3, 5, 4}};
constexpr Shape kDeep[] = {{1, 70, 3, 4}};
constexpr Shape kGray[] = {{2, 1, 4, 9}};
constexpr Shape kSignal[] = {{2, 17, 6}};
constexpr Shape kVolume[] = {{1, 5, 2, 3, 4}};
constexpr Case kCases[] = {
    {.attrs = "scales=2,2;coordinate_transformation_mode=asymmetric;nearest_mode=floor", .inputs = kImage},
    {.attrs = "sizes=7,3", .inputs = kGray},
    {.attrs = "sizes=7,9;mode=linear", .inputs = kImage},
    {.attrs = "scales=2,2;mode=linear;coordinate_transformation_mode=align_corners", .inputs = kDeep},
    {.attrs = "sizes=3,1;mode=linear;coordinate_transformation_mode=pytorch_half_pixel", .inputs = kGray},
    {.attrs = "sizes=11;mode=linear", .inputs = kSignal},
    {.attrs = "scales=1.5,2,0.5;mode=linear;coordinate_transformation_mode=half_pixel_symmetric",
     .inputs = kVolume},
    {.attrs = "sizes=4,4,4;nearest_mode=ceil", .inputs = kVolume},
    {.attrs = "sizes=8,9;mode=cubic", .inputs = kImage},
    {.attrs = "scales=2,1.5;mode=cubic;exclude_outside=1;cubic_coeff_a=-0.5", .inputs = kDeep},
    {.attrs = "scales=3;nearest_mode=round_prefer_ceil", .inputs = kSignal},
};

}  // namespace

extern const OpDef op_interpolate;
constinit const OpDef op_interpolate = {
    .name = "interpolate",
    .doc = "an image [N, C, ...] in another size: its nearest pixels, or between them",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
