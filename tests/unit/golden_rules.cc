#include "golden_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace q {

namespace {

using Axes = GoldenWindow::Axes;

// A tensor [N, C, spatial...] as [N, C, D, H, W].
struct Volume {
  int64_t images, channels;
  Axes extents{1, 1, 1};

  explicit Volume(const Shape& shape) : images(shape[0]), channels(shape[1]) {
    const int spatial = shape.rank - 2;
    for (int axis = 0; axis < spatial; ++axis)
      extents[static_cast<size_t>(3 - spatial + axis)] = shape[2 + axis];
  }

  size_t index(int64_t image, int64_t channel, const Axes& at) const {
    return static_cast<size_t>(
        (((image * channels + channel) * extents[0] + at[0]) * extents[1] + at[1]) * extents[2] + at[2]);
  }
};

// body(position) for all of [0, extents).
template <typename Body>
void for_all(const Axes& extents, const Body& body) {
  for (int64_t d = 0; d < extents[0]; ++d)
    for (int64_t h = 0; h < extents[1]; ++h)
      for (int64_t w = 0; w < extents[2]; ++w) body(Axes{d, h, w});
}

// body(image, channel, position) for all elements, in row-major order.
template <typename Body>
void for_all(const Volume& volume, const Body& body) {
  for (int64_t image = 0; image < volume.images; ++image)
    for (int64_t channel = 0; channel < volume.channels; ++channel)
      for_all(volume.extents, [&](const Axes& at) { body(image, channel, at); });
}

// body(position in the image, tap) for what of the window lies inside.
template <typename Body>
void for_inside(const GoldenWindow& window, const Axes& output, const Axes& extents, const Body& body) {
  for_all(window.kernel, [&](const Axes& tap) {
    Axes at;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      const int64_t stride = window.stride[axis], offset = tap[axis] * window.dilation[axis];
      const int64_t spread = output[axis] + window.padding[axis] - offset;  // stride * at
      if (window.transposed && spread % stride != 0) return;
      at[axis] = window.transposed ? spread / stride : output[axis] * stride - window.padding[axis] + offset;
      if (at[axis] < 0 || at[axis] >= extents[axis]) return;
    }
    body(at, tap);
  });
}

int64_t round_and_clamp(float t, int64_t zero_point, int64_t lo, int64_t hi) {
  return static_cast<int64_t>(std::clamp(std::rint(static_cast<double>(t)) + static_cast<double>(zero_point),
                                         static_cast<double>(lo), static_cast<double>(hi)));
}

int64_t integer_bias(float bias, double scale) {
  return round_and_clamp(bias * (1.0f / static_cast<float>(scale)), 0, std::numeric_limits<int32_t>::min(),
                         std::numeric_limits<int32_t>::max());
}

// The mean of q - z under one window from `begin` to `end`, which may reach beyond the image.
GoldenMean mean_under(const std::vector<int64_t>& q, const Volume& image, int64_t n, int64_t channel,
                      Axes begin, Axes end, bool count_include_pad, int64_t zero_point) {
  int64_t covered = 1, inside = 1, sum = 0;
  Axes extents;
  for (size_t axis = 0; axis < begin.size(); ++axis) {
    covered *= end[axis] - begin[axis];
    begin[axis] = std::max<int64_t>(begin[axis], 0);
    extents[axis] = std::min(end[axis], image.extents[axis]) - begin[axis];
    inside *= extents[axis];
  }
  for_all(extents, [&](const Axes& at) {
    sum += q[image.index(n, channel, {begin[0] + at[0], begin[1] + at[1], begin[2] + at[2]})] - zero_point;
  });
  return {sum, count_include_pad ? covered : inside};
}

}  // namespace

std::vector<int64_t> integers_of(const Tensor& tensor) {
  std::vector<int64_t> out(static_cast<size_t>(elements(tensor.type.shape)));
  for (size_t i = 0; i < out.size(); ++i) {
    switch (tensor.type.dtype) {
      case DType::kBool:
      case DType::kU8:
        out[i] = tensor.as<uint8_t>()[i];
        break;
      case DType::kI8:
        out[i] = tensor.as<int8_t>()[i];
        break;
      case DType::kI32:
        out[i] = tensor.as<int32_t>()[i];
        break;
      case DType::kI64:
        out[i] = tensor.as<int64_t>()[i];
        break;
      default:
        std::abort();
    }
  }
  return out;
}

std::vector<int64_t> weighted_by_rule(const Tensor& x, const Tensor& weight, const Tensor* bias,
                                      const GoldenWindow& window, int64_t groups, bool relu,
                                      const TensorType& out) {
  const Volume image(x.type.shape), kernel(weight.type.shape), output(out.shape);
  const std::vector<int64_t> qx = integers_of(x), qw = integers_of(weight);
  const QParams &px = *x.type.qparams, &pw = *weight.type.qparams, &po = *out.qparams;
  const int64_t zo = po.zero_points[0];
  std::vector<int64_t> result;
  const int64_t taken = image.channels / groups, made = output.channels / groups;  // of one group
  for_all(output, [&](int64_t n, int64_t o, const Axes& at) {
    const size_t channel = pw.scales.size() == 1 ? 0 : static_cast<size_t>(o);
    const double scale = pw.scales[channel] * px.scales[0];
    const int64_t first = o / made * taken;
    int64_t acc = bias == nullptr ? 0 : integer_bias(bias->as<float>()[o], scale);
    for (int64_t c = 0; c < taken; ++c)
      for_inside(window, at, image.extents, [&](const Axes& from, const Axes& tap) {
        const size_t weight_at =
            window.transposed ? kernel.index(first + c, o % made, tap) : kernel.index(o, c, tap);
        acc += (qx[image.index(n, first + c, from)] - px.zero_points[0]) *
               (qw[weight_at] - pw.zero_points[channel]);
      });
    const float product = static_cast<float>(pw.scales[channel]) * static_cast<float>(px.scales[0]);
    const float multiplier = product * (1.0f / static_cast<float>(po.scales[0]));
    result.push_back(
        round_and_clamp(static_cast<float>(acc) * multiplier, zo, relu ? zo : po.quant_min, po.quant_max));
  });
  return result;
}

bool GoldenMean::is_tie() const { return 2 * std::abs(sum) % (2 * divisor) == divisor; }

std::vector<GoldenMean> means_of(const Tensor& x, const GoldenWindow& window, bool count_include_pad,
                                 const Shape& out) {
  const Volume image(x.type.shape), output(out);
  const std::vector<int64_t> q = integers_of(x);
  std::vector<GoldenMean> means;
  for_all(output, [&](int64_t n, int64_t c, const Axes& at) {
    Axes begin, end;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      begin[axis] = at[axis] * window.stride[axis] - window.padding[axis];
      end[axis] = std::min(begin[axis] + window.kernel[axis], image.extents[axis] + window.padding[axis]);
    }
    means.push_back(
        mean_under(q, image, n, c, begin, end, count_include_pad, x.type.qparams->zero_points[0]));
  });
  return means;
}

std::vector<GoldenMean> adaptive_means_of(const Tensor& x, const Shape& out) {
  const Volume image(x.type.shape), output(out);
  const std::vector<int64_t> q = integers_of(x);
  std::vector<GoldenMean> means;
  for_all(output, [&](int64_t n, int64_t c, const Axes& at) {
    Axes begin, end;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      begin[axis] = at[axis] * image.extents[axis] / output.extents[axis];
      end[axis] = ((at[axis] + 1) * image.extents[axis] + output.extents[axis] - 1) / output.extents[axis];
    }
    means.push_back(mean_under(q, image, n, c, begin, end, false, x.type.qparams->zero_points[0]));
  });
  return means;
}

std::vector<int64_t> averages_by_rule(const std::vector<GoldenMean>& means, bool adaptive,
                                      const TensorType& out) {
  const QParams& qparams = *out.qparams;
  std::vector<int64_t> result;
  for (const GoldenMean& mean : means) {
    float inverse = 1.0f / static_cast<float>(mean.divisor);
    if (adaptive) inverse = 1.0f / (1.0f / inverse);
    result.push_back(round_and_clamp(static_cast<float>(mean.sum) * inverse, qparams.zero_points[0],
                                     qparams.quant_min, qparams.quant_max));
  }
  return result;
}

std::vector<int64_t> maxima_by_rule(const Tensor& x, const GoldenWindow& window, const Shape& out) {
  const Volume image(x.type.shape), output(out);
  const std::vector<int64_t> q = integers_of(x);
  std::vector<int64_t> result;
  for_all(output, [&](int64_t n, int64_t c, const Axes& at) {
    int64_t greatest = std::numeric_limits<int64_t>::min();
    for_inside(window, at, image.extents, [&](const Axes& from, const Axes&) {
      greatest = std::max(greatest, q[image.index(n, c, from)]);
    });
    result.push_back(greatest);
  });
  return result;
}

}  // namespace q
