// Convolution and linear, float and quantized, against a direct sum over every product; on every row of
// instruction sets.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/dispatch.h"
#include "ops/shared/conv.h"
#include "ops/shared/window.h"
#include "q/op.h"
#include "q/quant.h"
#include "seed.h"

namespace q {

extern const OpDef op_conv1d, op_conv2d, op_linear;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr size_t kGuard = 64;  // bytes behind an output that must stay as they are

// A weighted operator with all its operands. Activations lie as its kernels want them: channels-last for
// convolutions.
struct Problem {
  const OpDef* op = &op_conv2d;
  Attrs attrs{};
  Tensor x{}, weight{};
  std::optional<Tensor> bias{};
  QParams out{};  // quantized only

  bool quantized() const { return x.type.dtype == DType::kU8; }
  std::vector<TensorType> types() const {
    std::vector<TensorType> types = {x.type, weight.type};
    if (bias) types.push_back(bias->type);
    return types;
  }
  Shape out_shape() const { return op->infer(attrs, types()).at(0); }
};

std::string describe(const Problem& p) {
  std::string out = text(p.op->name, " x", to_string(p.x.type.shape), " weight",
                         to_string(p.weight.type.shape), p.bias ? " bias" : "");
  for (const char* name : {"strides", "pads", "dilations"}) {
    if (!p.attrs.contains(name)) continue;
    out += text(" ", name);
    for (const int64_t entry : attr_ints(p.attrs, name)) out += text(" ", entry);
  }
  if (p.attrs.contains("group")) out += text(" group ", attr_int(p.attrs, "group"));
  return out;
}

// The output's bytes and the guard behind them.
std::vector<uint8_t> run(const Problem& p, const Kernels& kernels) {
  const std::vector<TensorType> in = p.types();
  TensorType out_type{p.x.type.dtype, p.out_shape(), {}};
  if (p.quantized()) out_type.qparams = p.out;
  std::vector<View> constants = {{}, p.weight.view()}, inputs = {p.x.view(), p.weight.view()};
  if (p.bias) {
    constants.push_back(p.bias->view());
    inputs.push_back(p.bias->view());
  }
  const CompileCall call{
      .attrs = p.attrs, .in = in, .out = {&out_type, 1}, .constants = constants, .kernels = kernels};
  const Run compiled = p.quantized() ? p.op->quant(call) : p.op->f32(call);
  std::vector<uint8_t> out(bytes(out_type.dtype, out_type.shape) + kGuard, 0xA5);
  const MutableView view{out_type.dtype, out_type.shape, reinterpret_cast<std::byte*>(out.data()), &p.out};
  compiled({.in = inputs, .out = {&view, 1}});
  return out;
}

// ---- the direct sums ----

// The geometry of any weighted operator as a convolution over two axes; linear is one of 1 x 1 over its rows.
struct Geometry {
  int64_t images, channels, height, width, outputs, kernel_height, kernel_width, out_height, out_width, group;
  Ints strides, begins, dilations;

  int64_t columns() const { return outputs / group; }
  int64_t k() const { return channels / group; }
  int64_t row(int64_t oy, int64_t ky) const { return oy * strides[0] + ky * dilations[0] - begins[0]; }
  int64_t column(int64_t ox, int64_t kx) const { return ox * strides[1] + kx * dilations[1] - begins[1]; }
};

Geometry geometry(const Problem& p) {
  const Shape &x = p.x.type.shape, &w = p.weight.type.shape, out = p.out_shape();
  if (p.op == &op_linear) {
    const int64_t rows = elements(x) / w[1];
    return {rows, w[1], 1, 1, w[0], 1, 1, 1, 1, 1, {1, 1}, {0, 0}, {1, 1}};
  }
  const Ints &strides = attr_ints(p.attrs, "strides"), &pads = attr_ints(p.attrs, "pads"),
             &dilations = attr_ints(p.attrs, "dilations");
  const int64_t group = attr_int(p.attrs, "group");
  if (p.op == &op_conv1d)
    return {x[0],
            x[1],
            1,
            x[2],
            w[0],
            1,
            w[2],
            1,
            out[2],
            group,
            {1, strides[0]},
            {0, pads[0]},
            {1, dilations[0]}};
  return {x[0],     x[1], x[2], x[3], w[0], w[2], w[3], out[2], out[3], group, strides, {pads[0], pads[1]},
          dilations};
}

// Calls body(x index, weight index) for every product of one output, in the order of (tap, channel); x index
// -1 is padding.
template <typename Body>
void for_each_product(const Geometry& g, int64_t image, int64_t oy, int64_t ox, int64_t o, const Body& body) {
  for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
    for (int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const int64_t y = g.row(oy, ky), x = g.column(ox, kx);
      const bool inside = y >= 0 && y < g.height && x >= 0 && x < g.width;
      for (int64_t i = 0; i < g.k(); ++i) {
        const int64_t channel = o / g.columns() * g.k() + i;
        body(inside ? ((image * g.height + y) * g.width + x) * g.channels + channel : -1,
             ((o * g.k() + i) * g.kernel_height + ky) * g.kernel_width + kx);
      }
    }
  }
}

// Calls body(image, oy, ox, o) for all outputs in the order in which they are stored.
template <typename Body>
void for_each_output(const Geometry& g, const Body& body) {
  for (int64_t image = 0; image < g.images; ++image)
    for (int64_t oy = 0; oy < g.out_height; ++oy)
      for (int64_t ox = 0; ox < g.out_width; ++ox)
        for (int64_t o = 0; o < g.outputs; ++o) body(image, oy, ox, o);
}

std::vector<float> direct_f32(const Problem& p) {
  const Geometry g = geometry(p);
  const float lo = static_cast<float>(attr_float(p.attrs, "min")),
              hi = static_cast<float>(attr_float(p.attrs, "max"));
  std::vector<float> out;
  for_each_output(g, [&](int64_t image, int64_t oy, int64_t ox, int64_t o) {
    float sum = p.bias ? p.bias->as<float>()[o] : 0.f;
    for_each_product(g, image, oy, ox, o, [&](int64_t x, int64_t w) {
      sum = std::fma(x < 0 ? 0.f : p.x.as<float>()[x], p.weight.as<float>()[w], sum);
    });
    out.push_back(std::min(std::max(sum, lo), hi));
  });
  return out;
}

std::vector<uint8_t> direct_u8(const Problem& p) {
  const Geometry g = geometry(p);
  const QParams &qx = *p.x.type.qparams, &qw = *p.weight.type.qparams;
  const float x_scale = static_cast<float>(qx.scales[0]), out_scale = static_cast<float>(p.out.scales[0]);
  const auto level = [&](const char* name) {
    return quantize_value(static_cast<float>(attr_float(p.attrs, name)), out_scale, p.out.zero_points[0],
                          p.out.quant_min, p.out.quant_max);
  };
  const int32_t lo = level("min"), hi = level("max");
  std::vector<uint8_t> out;
  for_each_output(g, [&](int64_t image, int64_t oy, int64_t ox, int64_t o) {
    const size_t c = qw.scales.size() == 1 ? 0 : static_cast<size_t>(o);
    int64_t sum = p.bias ? p.bias->as<int32_t>()[o] : 0;
    for_each_product(g, image, oy, ox, o, [&](int64_t x, int64_t w) {
      if (x >= 0)
        sum += int64_t{p.x.as<uint8_t>()[x] - qx.zero_points[0]} *
               (p.weight.as<int8_t>()[w] - qw.zero_points[c]);
    });
    const float multiplier = (static_cast<float>(qw.scales[c]) * x_scale) * (1.f / out_scale);
    out.push_back(static_cast<uint8_t>(
        requantize_value(static_cast<int32_t>(sum), multiplier, p.out.zero_points[0], lo, hi)));
  });
  return out;
}

std::vector<uint8_t> direct(const Problem& p) {
  if (p.quantized()) return direct_u8(p);
  const std::vector<float> out = direct_f32(p);
  const auto* first = reinterpret_cast<const uint8_t*>(out.data());
  return {first, first + out.size() * sizeof(float)};
}

// ---- problems ----

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t between(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(engine_); }
  double real(double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(engine_); }
  template <typename T>
  T pick(std::initializer_list<T> from) {
    return from.begin()[between(0, static_cast<int64_t>(from.size()) - 1)];
  }

  // Reals for f32, all levels for integers, the outermost more often.
  Tensor tensor(DType dtype, const Shape& shape) {
    Tensor out = make_tensor(dtype, shape);
    const int64_t count = elements(shape);
    for (int64_t i = 0; i < count; ++i) {
      if (dtype == DType::kF32) out.as<float>()[i] = static_cast<float>(real(-1, 1));
      if (dtype == DType::kU8)
        out.as<uint8_t>()[i] = static_cast<uint8_t>(between(0, 3) ? between(0, 255) : 255);
      if (dtype == DType::kI8)
        out.as<int8_t>()[i] = static_cast<int8_t>(between(0, 3) ? between(-128, 127) : -128);
      if (dtype == DType::kI32) out.as<int32_t>()[i] = static_cast<int32_t>(between(-20000, 20000));
    }
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

QParams per_tensor(double scale, int32_t zero_point, DType dtype) {
  return {.quant_min = static_cast<int32_t>(lowest(dtype)),
          .quant_max = static_cast<int32_t>(highest(dtype)),
          .scales = {scale},
          .zero_points = {zero_point}};
}

enum class Weights { kSymmetric, kAffine };

// Fills in operands of these shapes, quantized so that outputs spread over their levels.
void fill(Problem& p, Random& random, bool quantized, const Shape& x, const Shape& weight,
          Weights weights = Weights::kSymmetric) {
  const bool has_bias = random.between(0, 3) > 0;
  p.x = random.tensor(quantized ? DType::kU8 : DType::kF32, x);
  p.weight = random.tensor(quantized ? DType::kI8 : DType::kF32, weight);
  p.bias.reset();
  if (has_bias) p.bias = random.tensor(quantized ? DType::kI32 : DType::kF32, Shape{weight[0]});
  if (!quantized) return;
  p.x.type.qparams =
      per_tensor(random.real(0.001, 0.1), static_cast<int32_t>(random.between(0, 255)), DType::kU8);
  QParams qw = per_tensor(1, 0, DType::kI8);
  const bool per_channel = random.between(0, 1) == 1;
  if (per_channel) qw.scheme = QScheme::kPerChannelAffine;
  qw.scales.clear();
  qw.zero_points.clear();
  for (int64_t c = 0; c < (per_channel ? weight[0] : 1); ++c) {
    qw.scales.push_back(random.real(0.001, 0.02));
    qw.zero_points.push_back(
        weights == Weights::kSymmetric ? 0 : static_cast<int32_t>(random.between(-128, 127)));
  }
  const double products = static_cast<double>(elements(weight) / weight[0]);
  const double spread = p.x.type.qparams->scales[0] * 0.01 * 10000 * std::sqrt(products);
  p.out =
      per_tensor(spread * random.real(0.01, 0.05), static_cast<int32_t>(random.between(0, 255)), DType::kU8);
  p.weight.type.qparams = qw;
}

Problem random_conv(Random& random, bool quantized, Weights weights = Weights::kSymmetric) {
  Problem p;
  const bool one_axis = random.between(0, 3) == 0;
  p.op = one_axis ? &op_conv1d : &op_conv2d;
  const size_t axes = one_axis ? 1 : 2;
  int64_t group = random.pick<int64_t>({1, 1, 1, 2, 3});
  int64_t k = random.pick<int64_t>({1, 2, 3, 4, 5, 8, 15, 17, 33}),
          columns = random.pick<int64_t>({1, 2, 7, 8, 9, 16, 31, 63, 65});
  if (random.between(0, 2) == 0) {
    group = random.pick<int64_t>({2, 3, 15, 16, 17, 63, 64, 65});
    k = columns = 1;
  }
  std::vector<int64_t> x = {random.between(1, 3), group * k}, weight = {group * columns, k};
  Ints strides, dilations, begins, ends;
  for (size_t axis = 0; axis < axes; ++axis) {
    const int64_t kernel = random.pick<int64_t>({1, 1, 2, 3, 3, 5}),
                  dilation = random.pick<int64_t>({1, 1, 2, 3});
    const int64_t reach = (kernel - 1) * dilation + 1;
    begins.push_back(random.between(0, 1) * random.between(0, reach));
    ends.push_back(random.between(0, 1) * random.between(0, reach));
    x.push_back(std::max<int64_t>(1, reach - begins.back() - ends.back()) + random.between(0, 9));
    weight.push_back(kernel);
    strides.push_back(random.pick<int64_t>({1, 1, 2, 3}));
    dilations.push_back(dilation);
  }
  Ints pads = begins;
  pads.insert(pads.end(), ends.begin(), ends.end());
  p.attrs = complete_attrs(*p.op, {{"strides", strides},
                                   {"pads", pads},
                                   {"dilations", dilations},
                                   {"group", group},
                                   {"min", random.pick({-kInf, 0.0})},
                                   {"max", random.pick({kInf, 0.4})}});
  fill(p, random, quantized, make_shape(x), make_shape(weight), weights);
  return p;
}

Problem random_linear(Random& random, bool quantized, Weights weights = Weights::kSymmetric) {
  Problem p{.op = &op_linear, .attrs = parse_attrs(op_linear, random.pick({"", "min=0"}))};
  const int64_t k = random.pick<int64_t>({1, 3, 4, 5, 63, 64, 65, 130}),
                n = random.pick<int64_t>({1, 7, 8, 9, 63, 64, 65, 129});
  const int64_t rows = random.pick<int64_t>({1, 2, 5, 6, 7, 63, 67});
  const Shape x = random.between(0, 1) == 0 ? Shape{rows, k} : Shape{2, rows, k};
  fill(p, random, quantized, x, Shape{n, k}, weights);
  return p;
}

// ---- checks ----

void expect_direct(const Problem& p, const Kernels& kernels) {
  std::vector<uint8_t> wanted = direct(p);
  ASSERT_GT(wanted.size(), 0u);
  wanted.insert(wanted.end(), kGuard, 0xA5);
  const std::vector<uint8_t> found = run(p, kernels);
  ASSERT_EQ(wanted.size(), found.size());
  const auto [at, unused] = std::mismatch(wanted.begin(), wanted.end(), found.begin());
  ASSERT_TRUE(at == wanted.end()) << kernels.name << ": " << describe(p) << ": byte " << at - wanted.begin()
                                  << " of " << wanted.size() - kGuard << " is " << +*unused << ", wanted "
                                  << +*at;
}

void expect_direct_on_all_rows(const Problem& p) {
  for (const Isa* isa : isas()) {
    const Kernels* kernels = kernels_up_to(isa->name);
    if (kernels == nullptr) continue;
    ASSERT_NO_FATAL_FAILURE(expect_direct(p, *kernels));
  }
}

template <typename Make>
void expect_many(int count, const Make& make) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < count; ++i) ASSERT_NO_FATAL_FAILURE(expect_direct_on_all_rows(make(random)));
}

const Kernels& generic() { return *kernels_up_to("generic"); }

// What is thrown, or nothing.
template <typename Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Gemm, FloatConvolutionEqualsTheDirectSumInEveryBit) {
  expect_many(150, [](Random& random) { return random_conv(random, false); });
}

TEST(Gemm, QuantizedConvolutionEqualsTheDirectSum) {
  expect_many(300, [](Random& random) { return random_conv(random, true); });
}

TEST(Gemm, FloatLinearEqualsTheDirectSumInEveryBit) {
  expect_many(40, [](Random& random) { return random_linear(random, false); });
}

TEST(Gemm, QuantizedLinearEqualsTheDirectSum) {
  expect_many(80, [](Random& random) { return random_linear(random, true); });
}

TEST(Gemm, WeightsWithZeroPointsAreExact) {
  expect_many(150, [](Random& random) {
    return random.between(0, 2) == 0 ? random_linear(random, true, Weights::kAffine)
                                     : random_conv(random, true, Weights::kAffine);
  });
}

// 127 - -128 = 255 takes three parts in i8, in a product and in a depthwise convolution.
TEST(Gemm, TheWidestZeroPointIsExact) {
  Random random(1);
  for (const int64_t group : {1, 4}) {
    Problem p{.attrs = parse_attrs(op_conv2d, text("pads=1,1,1,1;group=", group))};
    fill(p, random, true, Shape{1, 4, 5, 5}, Shape{4, 4 / group, 3, 3}, Weights::kAffine);
    std::fill_n(p.weight.as<int8_t>(), elements(p.weight.type.shape), int8_t{127});
    for (int32_t& zero_point : p.weight.type.qparams->zero_points) zero_point = -128;
    expect_direct_on_all_rows(p);
  }
}

// 255 * -128 in every product: what a kernel that adds pairs in int16 gets wrong.
TEST(Gemm, PairsOfTheLargestProductsDoNotSaturate) {
  Random random(1);
  for (const int8_t weight : {int8_t{-128}, int8_t{127}}) {
    for (const int64_t k : {2, 64, 4000}) {
      Problem p{.op = &op_linear, .attrs = parse_attrs(op_linear, "")};
      fill(p, random, true, Shape{3, k}, Shape{17, k});
      std::fill_n(p.x.as<uint8_t>(), 3 * k, uint8_t{255});
      std::fill_n(p.weight.as<int8_t>(), 17 * k, weight);
      p.x.type.qparams->zero_points = {0};
      p.out = per_tensor(p.x.type.qparams->scales[0] * 0.01 * 300 * static_cast<double>(k), 128, DType::kU8);
      expect_direct_on_all_rows(p);
    }
  }
}

TEST(Gemm, AllSizesAroundATileAreRight) {
  Random random(2);
  for (const Isa* isa : isas()) {
    const Kernels* kernels = kernels_up_to(isa->name);
    if (kernels == nullptr) continue;
    const auto mr = static_cast<int64_t>(kernels->gemm_u8i8_mr),
               nr = static_cast<int64_t>(kernels->gemm_u8i8_nr);
    for (const int64_t rows : {int64_t{1}, mr - 1, mr, mr + 1, 3 * mr}) {
      for (const int64_t columns : {int64_t{1}, nr - 1, nr, nr + 1, 2 * nr + 1}) {
        for (const int64_t k : {1, 4, 7}) {
          if (rows == 0 || columns == 0) continue;
          Problem p{.op = &op_linear, .attrs = parse_attrs(op_linear, "")};
          fill(p, random, true, Shape{rows, k}, Shape{columns, k});
          ASSERT_NO_FATAL_FAILURE(expect_direct(p, *kernels));
        }
      }
    }
  }
}

// More blocks than one, in both orders, and more taps than there is room for on the stack.
TEST(Gemm, TheNumberOfThreadsChangesNoBit) {
  Random random(3);
  for (const bool quantized : {false, true}) {
    std::vector<Problem> problems(4);
    problems[0].attrs = parse_attrs(op_conv2d, "pads=1,1,1,1");
    fill(problems[0], random, quantized, Shape{2, 16, 21, 20}, Shape{40, 16, 3, 3});
    problems[1].op = &op_linear;
    problems[1].attrs = parse_attrs(op_linear, "");
    fill(problems[1], random, quantized, Shape{70, 1200}, Shape{500, 1200});
    problems[2].attrs = parse_attrs(op_conv2d, "group=40;pads=2,2,2,2");
    fill(problems[2], random, quantized, Shape{2, 40, 30, 31}, Shape{40, 1, 5, 5});
    problems[3].attrs = parse_attrs(op_conv2d, "pads=20,20,20,20");
    fill(problems[3], random, quantized, Shape{1, 2, 50, 50}, Shape{9, 2, 50, 50});
    for (const Problem& p : problems) {
      const Kernels& best = *kernels_up_to("");
      set_thread_count(1);
      const std::vector<uint8_t> wanted = run(p, best);
      for (const int threads : {2, 3, 4}) {
        set_thread_count(threads);
        EXPECT_EQ(run(p, best), wanted) << describe(p) << " on " << threads << " threads";
      }
      set_thread_count(0);
    }
  }
}

// Rows that look as if they lay at a constant step, the step being that into the padding.
TEST(Gemm, ALineWhoseSecondPixelIsPaddingIsRight) {
  Random random(6);
  for (const bool quantized : {false, true}) {
    for (const char* pads : {"pads=0,0,0,1", "pads=0,0,1,1", "pads=0,1,0,0", "pads=1,0,0,0"}) {
      Problem p{.attrs = parse_attrs(op_conv2d, pads)};
      fill(p, random, quantized, Shape{1, 20, 1, 1}, Shape{3, 20, 1, 1});
      expect_direct_on_all_rows(p);
    }
  }
}

TEST(Gemm, AWindowLargerThanTheStackIsRight) {
  Random random(4);
  for (const int64_t group : {1, 2}) {
    Problem p{.attrs = parse_attrs(op_conv2d, text("pads=3,0,3,0;group=", group))};
    fill(p, random, true, Shape{1, 2, 50, 51}, Shape{2, 2 / group, 50, 50});
    expect_direct_on_all_rows(p);
  }
}

TEST(Gemm, AnInfinityOfThePaddingsNeighbourStaysOutOfOtherPixels) {
  Random random(5);
  Problem p{.attrs = parse_attrs(op_conv2d, "pads=1,1,1,1")};
  fill(p, random, false, Shape{1, 3, 4, 4}, Shape{2, 3, 3, 3});
  p.x.as<float>()[0] = INFINITY;
  const std::vector<uint8_t> out = run(p, generic());
  const auto* values = reinterpret_cast<const float*>(out.data());
  EXPECT_FALSE(std::isfinite(values[0]));
  EXPECT_TRUE(std::isfinite(values[2 * 15]));
}

TEST(Gemm, ASaturatedBiasYieldsSoThatNoSumWraps) {
  Problem p{.op = &op_linear, .attrs = parse_attrs(op_linear, "")};
  p.x = make_tensor({DType::kU8, Shape{1, 2}, per_tensor(1, 0, DType::kU8)});
  std::fill_n(p.x.as<uint8_t>(), 2, uint8_t{255});
  p.weight = make_tensor({DType::kI8, Shape{2, 2}, per_tensor(0x1p-24, 0, DType::kI8)});
  std::fill_n(p.weight.as<int8_t>(), 4, int8_t{127});
  p.bias = make_tensor({DType::kI32, Shape{2}, {}});
  p.bias->as<int32_t>()[0] = INT32_MAX;
  p.bias->as<int32_t>()[1] = INT32_MIN;
  p.out = per_tensor(1, 128, DType::kU8);
  const std::vector<uint8_t> out = run(p, generic());
  EXPECT_EQ(out[0], 255);  // 2^31 * 2^-24 = 128, and 128 + 128 is clamped
  EXPECT_EQ(out[1], 0);    // -2^31 + 2 * 255 * 127 is still about -128
}

TEST(Gemm, SumsThatCouldLeaveInt32AreRefused) {
  Problem p{.op = &op_linear, .attrs = parse_attrs(op_linear, "")};
  p.x = make_tensor({DType::kU8, Shape{1, 1}, per_tensor(1, 0, DType::kU8)});
  p.weight = make_tensor({DType::kI8, Shape{1, 1}, per_tensor(1, 0, DType::kI8)});
  p.weight.as<int8_t>()[0] = 2;
  p.bias = make_tensor({DType::kI32, Shape{1}, {}});
  p.bias->as<int32_t>()[0] = INT32_MAX - 509;
  p.out = per_tensor(1, 0, DType::kU8);
  EXPECT_EQ(message_of([&] { run(p, generic()); }),
            "sums of output channel 0 reach from 2147483138 to 2147483648, wanted -2147483648 to 2147483647");
  p.bias->as<int32_t>()[0] = INT32_MAX - 510;
  EXPECT_EQ(message_of([&] { run(p, generic()); }), "");
}

// ---- shapes ----

TensorType f32(const Shape& shape) { return {DType::kF32, shape, {}}; }

std::string conv_refusal(std::string_view attrs, const Shape& x, const Shape& weight,
                         std::optional<Shape> bias = {}) {
  std::vector<TensorType> in = {f32(x), f32(weight)};
  if (bias) in.push_back(f32(*bias));
  return message_of([&] { op_conv2d.infer(parse_attrs(op_conv2d, attrs), in); });
}

TEST(ConvShape, AFreeBatchStaysFree) {
  const std::vector<TensorType> in = {f32(Shape{kFree, 3, 224, 224}), f32(Shape{64, 3, 7, 7})};
  const Attrs attrs = parse_attrs(op_conv2d, "strides=2,2;pads=3,3,3,3");
  EXPECT_EQ(op_conv2d.infer(attrs, in).at(0), (Shape{kFree, 64, 112, 112}));
  EXPECT_EQ(op_conv2d.macs(attrs, in, Shape{kFree, 64, 112, 112}), 64 * 112 * 112 * 3 * 49);
}

TEST(ConvShape, WhatDoesNotFitIsRefusedWithBothSides) {
  EXPECT_EQ(conv_refusal("", Shape{1, 4, 8, 8}, Shape{64, 3, 7, 7}),
            "weight is [64,3,7,7] with group 1, input has 4 channels, wanted 3");
  EXPECT_EQ(conv_refusal("group=4", Shape{1, 4, 8, 8}, Shape{6, 1, 3, 3}),
            "weight is [6,1,3,3] with group 4, wanted a group that divides 6");
  EXPECT_EQ(conv_refusal("group=0", Shape{1, 4, 8, 8}, Shape{6, 1, 3, 3}),
            "weight is [6,1,3,3] with group 0, wanted a group that divides 6");
  EXPECT_EQ(conv_refusal("", Shape{1, 4, 8}, Shape{6, 4, 3, 3}), "input is [1,4,8], wanted rank 4");
  EXPECT_EQ(conv_refusal("", Shape{1, 4, 8, 8}, Shape{6, 4, 3}),
            "weight is [6,4,3] with group 1, input is [1,4,8,8], wanted rank 4");
  EXPECT_EQ(conv_refusal("", Shape{1, 4, 8, 8}, Shape{6, 4, 0, 3}),
            "weight is [6,4,0,3] with group 1, wanted extents of at least 1");
  EXPECT_EQ(conv_refusal("", Shape{1, 4, 8, 8}, Shape{6, 4, 3, 3}, Shape{5}), "bias is [5], wanted [6]");
  EXPECT_EQ(conv_refusal("", Shape{1, 4, 2, 8}, Shape{6, 4, 3, 3}),
            "a window of 3 does not fit into spatial axis 0 of extent 2 with pads 0 and 0");
  EXPECT_EQ(conv_refusal("strides=1", Shape{1, 4, 8, 8}, Shape{6, 4, 3, 3}),
            "attribute strides has 1 entries, wanted 2");
  EXPECT_EQ(conv_refusal("strides=1,0", Shape{1, 4, 8, 8}, Shape{6, 4, 3, 3}),
            "attribute strides holds 0, wanted 1 to 2147483647");
  EXPECT_EQ(conv_refusal("pads=0,0,-1,0", Shape{1, 4, 8, 8}, Shape{6, 4, 3, 3}),
            "attribute pads holds -1, wanted 0 to 2147483647");
  EXPECT_EQ(conv_refusal("min=2;max=1", Shape{1, 4, 8, 8}, Shape{6, 4, 3, 3}),
            "min is 2, max is 1, wanted min <= max");
}

TEST(ConvShape, HugeWindowsDoNotOverflow) {
  EXPECT_EQ(conv_refusal("dilations=2147483647,1", Shape{1, 1, 8, 8}, Shape{1, 1, 8, 1}),
            "a window of 15032385530 does not fit into spatial axis 0 of extent 8 with pads 0 and 0");
  EXPECT_EQ(conv_refusal("pads=2147483647,0,2147483647,0", Shape{1, 1, 8, 8}, Shape{1, 1, 1, 1}),
            "output extent is 4294967302, wanted at most 2147483647");
}

TEST(LinearShape, WhatDoesNotFitIsRefusedWithBothSides) {
  const auto refusal = [](const Shape& x, const Shape& weight) {
    const std::vector<TensorType> in = {f32(x), f32(weight)};
    return message_of([&] { op_linear.infer(parse_attrs(op_linear, ""), in); });
  };
  EXPECT_EQ(refusal(Shape{2, 5}, Shape{3, 4}), "weight is [3,4], input is [2,5], wanted a last extent of 4");
  EXPECT_EQ(refusal(Shape{}, Shape{3, 4}), "input is a scalar, wanted rank 1 or more");
  EXPECT_EQ(refusal(Shape{4}, Shape{3, 4, 1}), "weight is [3,4,1], wanted [outputs, inputs]");
  EXPECT_EQ(refusal(Shape{kFree, 7, 4}, Shape{3, 4}), "");
}

TEST(Window, CeilModeFollowsPyTorch) {
  const auto out = [](int64_t in, int64_t kernel, int64_t stride, int64_t pad) {
    const Window window =
        window_of({{"strides", Ints{stride}}, {"pads", Ints{pad, pad}}, {"ceil_mode", int64_t{1}}}, {kernel});
    return window_outputs(window, Ints{in})[0];
  };
  EXPECT_EQ(out(6, 3, 2, 0), 3);  // 0-2 2-4 4-6
  EXPECT_EQ(out(5, 3, 2, 0), 2);
  EXPECT_EQ(out(5, 2, 2, 1), 3);  // a fourth window would begin in the padding behind the image
  EXPECT_EQ(out(3, 1, 2, 0), 2);
}

// ---- ONNX ----

OnnxNode onnx(std::string type, Attrs attrs, const Shape& x, std::optional<Tensor> weight) {
  OnnxNode node{.type = std::move(type),
                .name = "n",
                .opset = 13,
                .attrs = std::move(attrs),
                .tensor_attrs = {},
                .inputs = {}};
  node.inputs.push_back({.type = f32(x), .constant = {}});
  node.inputs.push_back({.type = weight ? weight->type : f32(Shape{2, 3}), .constant = weight});
  return node;
}

OnnxMapping mapping(const OpDef& op, std::string_view type) {
  for (const OnnxName& name : op.onnx)
    if (name.type == type) return name.map;
  return nullptr;
}

Ints mapped_pads(const char* auto_pad, const Shape& x, Ints strides) {
  OnnxNode node = onnx("Conv", {{"auto_pad", auto_pad}, {"strides", strides}}, x,
                       make_tensor(DType::kF32, Shape{1, 1, 3, 2}));
  EXPECT_TRUE(mapping(op_conv2d, "Conv")(node));
  EXPECT_FALSE(node.attrs.contains("auto_pad"));
  EXPECT_EQ(attr_int(node.attrs, "group"), 1);
  return attr_ints(node.attrs, "pads");
}

TEST(OnnxConv, AutoPadBecomesPads) {
  EXPECT_EQ(mapped_pads("SAME_UPPER", Shape{1, 1, 5, 5}, {1, 1}), (Ints{1, 0, 1, 1}));
  EXPECT_EQ(mapped_pads("SAME_LOWER", Shape{1, 1, 5, 5}, {1, 1}), (Ints{1, 1, 1, 0}));
  EXPECT_EQ(mapped_pads("SAME_UPPER", Shape{1, 1, 6, 6}, {2, 2}), (Ints{0, 0, 1, 0}));
  EXPECT_EQ(mapped_pads("SAME_UPPER", Shape{1, 1, 6, 6}, {4, 4}), (Ints{0, 0, 1, 0}));
  EXPECT_EQ(mapped_pads("SAME_UPPER", Shape{1, 1, kFree, kFree}, {1, 1}), (Ints{1, 0, 1, 1}));
  EXPECT_EQ(mapped_pads("VALID", Shape{1, 1, 6, 6}, {2, 2}), (Ints{0, 0, 0, 0}));
  EXPECT_EQ(message_of([] {
              mapped_pads("SAME_UPPER", Shape{1, 1, kFree, 6}, {2, 2});
            }),
            "auto_pad SAME_UPPER with stride 2 over [1,1,N,6], wanted fixed spatial extents");
  EXPECT_EQ(message_of([] {
              mapped_pads("SAME", Shape{1, 1, 6, 6}, {2, 2});
            }),
            "auto_pad is \"SAME\", wanted NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

TEST(OnnxConv, TheRankChoosesTheOperatorAndWeightsMayBeComputed) {
  OnnxNode node = onnx("Conv", {}, Shape{1, 1, 9}, make_tensor(DType::kF32, Shape{1, 1, 3}));
  EXPECT_FALSE(mapping(op_conv2d, "Conv")(node));
  EXPECT_TRUE(mapping(op_conv1d, "Conv")(node));
  OnnxNode computed = onnx("Conv", {}, Shape{1, 1, 9}, {});
  computed.inputs[1].type.shape = {1, 1, 3};
  EXPECT_TRUE(mapping(op_conv1d, "Conv")(computed));
}

TEST(OnnxGemm, FactorsAndTranspositionGoIntoTheConstants) {
  OnnxNode node = onnx("Gemm", {{"alpha", 2.0}, {"beta", 0.5}}, Shape{1, 3},
                       make_tensor(Shape{3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  const Tensor bias = make_tensor(Shape{1, 2}, std::vector<float>{10, 20});
  node.inputs.push_back({.type = bias.type, .constant = bias});
  ASSERT_TRUE(mapping(op_linear, "Gemm")(node));
  EXPECT_TRUE(node.attrs.empty());
  EXPECT_TRUE(
      equal(*node.inputs[1].constant, make_tensor(Shape{2, 3}, std::vector<float>{2, 6, 10, 4, 8, 12})));
  EXPECT_EQ(node.inputs[1].type.shape, (Shape{2, 3}));
  EXPECT_TRUE(equal(*node.inputs[2].constant, make_tensor(Shape{2}, std::vector<float>{5, 10})));
}

TEST(OnnxGemm, WhatLinearCannotSayIsLeftToOthersOrRefused) {
  OnnxNode transposed =
      onnx("Gemm", {{"transA", int64_t{1}}}, Shape{3, 1}, make_tensor(DType::kF32, Shape{3, 2}));
  EXPECT_FALSE(mapping(op_linear, "Gemm")(transposed));
  OnnxNode column = onnx("Gemm", {}, Shape{2, 3}, make_tensor(DType::kF32, Shape{3, 2}));
  const Tensor bias = make_tensor(DType::kF32, Shape{2, 1});
  column.inputs.push_back({.type = bias.type, .constant = bias});
  EXPECT_EQ(message_of([&] { mapping(op_linear, "Gemm")(column); }), "bias is [2,1], wanted [2]");
}

TEST(OnnxMatMul, OnlyAConstantMatrixMakesALinear) {
  OnnxNode activations = onnx("MatMul", {}, Shape{4, 2}, {});
  EXPECT_FALSE(mapping(op_linear, "MatMul")(activations));
  OnnxNode node = onnx("MatMul", {}, Shape{4, 2}, make_tensor(Shape{2, 1}, std::vector<float>{7, 8}));
  ASSERT_TRUE(mapping(op_linear, "MatMul")(node));
  EXPECT_TRUE(equal(*node.inputs[1].constant, make_tensor(Shape{1, 2}, std::vector<float>{7, 8})));
}

// Every test vector of the operators themselves is one that infer accepts.
TEST(Cases, OfWeightedOperatorsHaveShapesThatFit) {
  for (const OpDef* op : {&op_conv1d, &op_conv2d, &op_linear}) {
    for (const Case& c : op->cases) {
      std::vector<TensorType> in;
      for (const Shape& shape : c.inputs) in.push_back(f32(shape));
      EXPECT_NO_THROW(op->infer(parse_attrs(*op, c.attrs), in)) << op->name << " " << c.attrs;
    }
  }
}

}  // namespace
}  // namespace q
