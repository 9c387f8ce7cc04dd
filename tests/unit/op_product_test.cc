// Sums of products, and pools: numbers worked by hand, and sums taken over every product.
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "onnx/mapping.h"
#include "op_problem.h"
#include "ops/shared/samples.h"

namespace q {
namespace {

using namespace op_problem;
using Numbers = std::vector<float>;

constexpr double kInf = std::numeric_limits<double>::infinity();

std::string refusal(std::string_view name, const std::string& attrs, const std::vector<Shape>& in) {
  std::vector<TensorType> types;
  for (const Shape& shape : in) types.push_back({DType::kF32, shape, {}});
  try {
    return to_string(find_op(name)->infer(parse_attrs(*find_op(name), attrs), types).at(0));
  } catch (const Error& error) {
    return error.what();
  }
}

struct Operand {
  Shape shape;
  Numbers values;
};

Problem float_problem(std::string_view name, const std::string& attrs, const std::vector<Operand>& in,
                      int constants_from) {
  Problem p{.op = find_op(name), .constants_from = constants_from};
  p.attrs = parse_attrs(*p.op, attrs);
  for (const Operand& operand : in) p.in.push_back(make_tensor(operand.shape, operand.values));
  p.out = {DType::kF32, p.op->infer(p.attrs, p.types()).at(0), {}};
  return p;
}

Numbers result(std::string_view name, const std::string& attrs, const std::vector<Operand>& in,
               int constants_from = kMaxInputs) {
  const Problem p = float_problem(name, attrs, in, std::min<int>(constants_from, std::ssize(in)));
  return as_floats(run(p, *kernels_up_to("")));
}

QParams one_scale(double scale, int32_t zero_point) {
  return {QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {zero_point}};
}

Tensor integers(const Shape& shape, const std::vector<int>& values, double scale, int32_t zero_point) {
  Tensor out = make_tensor({DType::kU8, shape, one_scale(scale, zero_point)});
  for (size_t i = 0; i < values.size(); ++i) out.as<uint8_t>()[i] = static_cast<uint8_t>(values[i]);
  return out;
}

// ---- convolutions against sums over every product ----

// Of rank 5 whatever the rank: missing spatial axes have extent 1.
struct Convolution {
  int axes;
  bool transposed;
  std::array<int64_t, 3> in{1, 1, 1}, kernel{1, 1, 1}, out{1, 1, 1};
  std::array<int64_t, 3> strides{1, 1, 1}, dilations{1, 1, 1}, begins{}, ends{}, output_padding{};
  int64_t images = 2, group = 1, k = 1, columns = 1;  // channels of a group

  std::string name() const { return text(transposed ? "conv_transpose" : "conv", axes, "d"); }
  int64_t channels() const { return group * k; }
  int64_t outputs() const { return group * columns; }
  int64_t pixels() const { return in[0] * in[1] * in[2]; }
  int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  size_t weights() const { return static_cast<size_t>(outputs() * k * taps()); }

  Shape shape(int64_t first, int64_t second, const std::array<int64_t, 3>& extents) const {
    Shape made{first, second};
    for (size_t axis = static_cast<size_t>(3 - axes); axis < 3; ++axis) made[made.rank++] = extents[axis];
    return made;
  }
  std::string list(const std::array<int64_t, 3>& entries) const {
    std::string made;
    for (size_t axis = static_cast<size_t>(3 - axes); axis < 3; ++axis)
      made += (made.empty() ? "" : ",") + std::to_string(entries[axis]);
    return made;
  }
  std::string attrs() const {
    return text("group=", group, ";strides=", list(strides), ";dilations=", list(dilations),
                ";pads=", list(begins), ",", list(ends),
                transposed ? ";output_padding=" + list(output_padding) : "");
  }
  Shape weight_shape() const {
    return transposed ? shape(channels(), columns, kernel) : shape(outputs(), k, kernel);
  }
};

std::array<int64_t, 3> pixel_at(int64_t index, const std::array<int64_t, 3>& extents) {
  return {index / extents[2] / extents[1], index / extents[2] % extents[1], index % extents[2]};
}

// -1 outside.
int64_t index_of(const std::array<int64_t, 3>& at, const std::array<int64_t, 3>& extents) {
  for (size_t axis = 0; axis < 3; ++axis)
    if (at[axis] < 0 || at[axis] >= extents[axis]) return -1;
  return (at[0] * extents[1] + at[1]) * extents[2] + at[2];
}

// The sums of an output stored channels-last: every pixel of x, every tap, every pair of channels. Pixels of
// the image that a transposed convolution writes are those an ordinary one reads.
std::vector<double> sums(const Convolution& c, const std::vector<double>& x,
                         const std::vector<double>& weight, const std::vector<double>& bias) {
  std::vector<double> out;
  for (int64_t pixel = 0; pixel < c.images * c.out_pixels(); ++pixel)
    out.insert(out.end(), bias.begin(), bias.end());
  const auto& small = c.transposed ? c.in : c.out;
  const auto& large = c.transposed ? c.out : c.in;
  for (int64_t image = 0; image < c.images; ++image) {
    for (int64_t step = 0; step < small[0] * small[1] * small[2]; ++step) {
      for (int64_t tap = 0; tap < c.taps(); ++tap) {
        std::array<int64_t, 3> at = pixel_at(step, small), offset = pixel_at(tap, c.kernel);
        for (size_t axis = 0; axis < 3; ++axis)
          at[axis] = at[axis] * c.strides[axis] + offset[axis] * c.dilations[axis] - c.begins[axis];
        const int64_t place = index_of(at, large);
        if (place < 0) continue;
        const int64_t from = image * c.pixels() + (c.transposed ? step : place);
        const int64_t to = image * c.out_pixels() + (c.transposed ? place : step);
        for (int64_t o = 0; o < c.outputs(); ++o) {
          for (int64_t i = 0; i < c.k; ++i) {
            const int64_t channel = o / c.columns * c.k + i;
            const int64_t w = c.transposed ? (channel * c.columns + o % c.columns) * c.taps() + tap
                                           : (o * c.k + i) * c.taps() + tap;
            out[static_cast<size_t>(to * c.outputs() + o)] +=
                x[static_cast<size_t>(from * c.channels() + channel)] * weight[static_cast<size_t>(w)];
          }
        }
      }
    }
  }
  return out;
}

Convolution any_convolution(int axes, bool transposed, std::mt19937_64& random) {
  const auto between = [&](int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random() % static_cast<uint64_t>(hi - lo + 1));
  };
  Convolution c{.axes = axes, .transposed = transposed};
  for (size_t axis = static_cast<size_t>(3 - axes); axis < 3; ++axis) {
    c.kernel[axis] = between(1, 4);
    c.strides[axis] = between(1, 4);
    c.dilations[axis] = between(1, 3);
    const int64_t reach = (c.kernel[axis] - 1) * c.dilations[axis] + 1;
    c.in[axis] = transposed ? between(3, 6) : between(reach, reach + 4);
    c.begins[axis] = between(0, 2);
    c.ends[axis] = between(0, 2);
    if (transposed) c.output_padding[axis] = between(0, std::max(c.strides[axis], c.dilations[axis]) - 1);
    const int64_t padded = c.in[axis] + c.begins[axis] + c.ends[axis];
    c.out[axis] = transposed ? (c.in[axis] - 1) * c.strides[axis] + reach + c.output_padding[axis] -
                                   c.begins[axis] - c.ends[axis]
                             : (padded - reach) / c.strides[axis] + 1;
    if (c.out[axis] < 1) return any_convolution(axes, transposed, random);
  }
  constexpr int64_t kGroups[] = {1, 1, 3, 17};
  c.group = kGroups[random() % 4];
  c.k = c.group == 17 ? 1 : between(1, 9);
  c.columns = c.group == 17 ? between(1, 2) : between(1, 70 / c.group);
  return c;
}

// Whole numbers: sums are exact in any order.
std::vector<double> whole_numbers(size_t count, int lo, int hi, std::mt19937_64& random) {
  std::vector<double> out(count);
  for (double& value : out) value = lo + static_cast<int>(random() % static_cast<uint64_t>(hi - lo + 1));
  return out;
}

Numbers floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

class Products : public testing::TestWithParam<std::pair<int, bool>> {
 protected:
  void SetUp() override {
    c = any_convolution(GetParam().first, GetParam().second, random);
    x = whole_numbers(static_cast<size_t>(c.images * c.pixels() * c.channels()), -4, 4, random);
    weight = whole_numbers(c.weights(), -3, 3, random);
    bias = whole_numbers(static_cast<size_t>(c.outputs()), -9, 9, random);
  }

  Shape x_shape() const { return c.shape(c.images, c.channels(), c.in); }
  Shape out_shape() const { return c.shape(c.images, c.outputs(), c.out); }

  uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  std::mt19937_64 random{seed};
  Convolution c{};
  std::vector<double> x, weight, bias;
};

TEST_P(Products, OfFloatsAreAllAddedUp) {
  for (int round = 0; round < 40; ++round, SetUp()) {
    SCOPED_TRACE(
        text(c.name(), " ", c.attrs(), " x", to_string(x_shape()), " w", to_string(c.weight_shape())));
    const Problem p = float_problem(
        c.name(), c.attrs(),
        {{x_shape(), floats(x)}, {c.weight_shape(), floats(weight)}, {{c.outputs()}, floats(bias)}}, 1);
    ASSERT_EQ(to_string(p.out.shape), to_string(out_shape()));
    ASSERT_EQ(as_floats(run(p, *kernels_up_to(""))), floats(sums(c, x, weight, bias)));
  }
}

// Of scale 1 or, in every second column of each group, 2.
TEST_P(Products, OfIntegersAreAllAddedUpWithTheScaleOfTheirColumn) {
  for (int round = 0; round < 40; ++round, SetUp()) {
    SCOPED_TRACE(
        text(c.name(), " ", c.attrs(), " x", to_string(x_shape()), " w", to_string(c.weight_shape())));
    Problem p{.op = find_op(c.name()), .constants_from = 1};
    p.attrs = parse_attrs(*p.op, c.attrs());
    std::vector<int> levels;
    for (const double value : x) levels.push_back(static_cast<int>(value) + 100);
    p.in.push_back(integers(x_shape(), levels, 1, 100));
    QParams scales{QScheme::kPerChannelSymmetric, c.transposed ? 1 : 0, -128, 127, {}, {}};
    for (int64_t i = 0; i < (c.transposed ? c.columns : c.outputs()); ++i)
      scales.scales.push_back(1 + i % c.columns % 2);
    scales.zero_points.assign(scales.scales.size(), 0);
    p.in.push_back(make_tensor({DType::kI8, c.weight_shape(), scales}));
    std::copy(weight.begin(), weight.end(), p.in.back().as<int8_t>());
    int64_t saturated = 0;
    p.in.push_back(
        quantize_bias(make_tensor(Shape{c.outputs()}, floats(bias)).view(), 1, scales, &saturated));
    p.out = {DType::kU8, p.op->infer(p.attrs, p.types()).at(0), one_scale(2, 128)};
    std::vector<uint8_t> wanted;
    const std::vector<double> exact = sums(c, x, weight, std::vector<double>(bias.size(), 0));
    for (size_t i = 0; i < exact.size(); ++i) {
      const size_t output = i % bias.size();
      const double scale = 1 + static_cast<double>(output % static_cast<size_t>(c.columns) % 2);
      const double sum = (exact[i] + std::rint(bias[output] / scale)) * scale / 2;
      wanted.push_back(static_cast<uint8_t>(std::clamp(std::rint(sum) + 128, 0.0, 255.0)));
    }
    std::vector<uint8_t> got = run(p, *kernels_up_to(""));
    got.resize(got.size() - kGuard);
    ASSERT_EQ(got, wanted);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, Products,
                         testing::Values(std::pair{1, true}, std::pair{2, true}, std::pair{3, true},
                                         std::pair{3, false}),
                         [](const auto& subject) {
                           return text(subject.param.second ? "conv_transpose" : "conv", subject.param.first,
                                       "d");
                         });

TEST(ConvTranspose, SpreadsEveryInputByTheKernel) {
  const std::vector<Operand> in = {{{1, 1, 2}, {1, 2}}, {{1, 1, 3}, {1, 10, 100}}};
  EXPECT_EQ(result("conv_transpose1d", "strides=2", in, 1), (Numbers{1, 10, 102, 20, 200}));
  EXPECT_EQ(result("conv_transpose1d", "strides=2;pads=1,2", in, 1), (Numbers{10, 102}));
  EXPECT_EQ(result("conv_transpose1d", "strides=2;output_padding=1", in, 1),
            (Numbers{1, 10, 102, 20, 200, 0}));
}

TEST(ConvTranspose, LeavesTheBiasWhereNoInputReaches) {
  const std::vector<Operand> in = {{{1, 1, 2}, {1, 2}}, {{1, 1, 1}, {10}}, {{1}, {-7}}};
  EXPECT_EQ(result("conv_transpose1d", "strides=3;output_padding=2", in, 1),
            (Numbers{3, -7, -7, 13, -7, -7}));
  EXPECT_EQ(result("conv_transpose1d", "strides=3;min=-1;max=5", in, 1), (Numbers{3, -1, -1, 5}));
}

TEST(ConvTranspose, GivesNoNumberToANan) {
  const Numbers got = result("conv_transpose1d", "strides=2;min=0",
                             {{{1, 1, 2}, {NAN, 2}}, {{1, 1, 1}, {1}}, {{1}, {NAN}}}, 1);
  EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[1]) && std::isnan(got[2]));
}

TEST(ConvTranspose, RefusesWhatDoesNotFit) {
  const std::vector<Shape> in = {{1, 4, 5, 5}, {4, 2, 3, 3}};
  const auto of = [&](const char* attrs) { return refusal("conv_transpose2d", attrs, in); };
  EXPECT_EQ(of(""), "[1,2,7,7]");
  EXPECT_EQ(of("output_padding=1,0"),
            "attribute output_padding holds 1, wanted 0 to 0, below stride or dilation");
  EXPECT_EQ(of("strides=2,2;output_padding=1,-1"),
            "attribute output_padding holds -1, wanted 0 to 1, below stride or dilation");
  EXPECT_EQ(of("strides=2,2;output_padding=1"), "attribute output_padding has 1 entries, wanted 2");
  EXPECT_EQ(of("pads=4,0,3,0"), "output extent of spatial axis 0 is 0, wanted 1 to 2147483647");
  EXPECT_EQ(of("strides=2147483647,1"),
            "output extent of spatial axis 0 is 8589934591, wanted 1 to 2147483647");
  EXPECT_EQ(of("strides=2147483648,1"), "attribute strides holds 2147483648, wanted 1 to 2147483647");
  EXPECT_EQ(of("dilations=2147483647,1"),
            "output extent of spatial axis 0 is 4294967299, wanted 1 to 2147483647");
  EXPECT_EQ(of("group=3"), "weight is [4,2,3,3] with group 3, wanted a group that divides 4");
  EXPECT_EQ(of("group=2"), "[1,4,7,7]");
  EXPECT_EQ(refusal("conv_transpose2d", "", {{1, 3, 5, 5}, {4, 2, 3, 3}}),
            "weight is [4,2,3,3] with group 1, input has 3 channels, wanted 4");
  EXPECT_EQ(refusal("conv_transpose2d", "group=2", {{1, 4, 5, 5}, {4, 2, 3, 3}, {2}}),
            "bias is [2], wanted [4]");
  EXPECT_EQ(refusal("conv_transpose2d", "strides=2,3", {{-1, 4, -1, 5}, {4, 2, 3, 3}}),
            to_string(Shape{-1, 2, -1, 15}));
}

TEST(Conv3d, RefusesWhatDoesNotFit) {
  const std::vector<Shape> in = {{1, 4, 5, 5, 5}, {2, 4, 3, 3, 3}};
  EXPECT_EQ(refusal("conv3d", "strides=1,2,2", in), "[1,2,3,2,2]");
  EXPECT_EQ(refusal("conv3d", "dilations=3,1,1", in),
            "a window of 7 does not fit into spatial axis 0 of extent 5 with pads 0 and 0");
  EXPECT_EQ(refusal("conv3d", "", {{1, 4, 5, 5}, {2, 4, 3, 3}}), "input is [1,4,5,5], wanted rank 5");
}

// ---- matmul ----

TEST(Matmul, MultipliesMatrices) {
  const std::vector<Operand> in = {
      {{2, 3}, {1, 2, 3, 4, 5, 6}}, {{3, 2}, {1, 0, 0, 1, 10, 100}}, {{2}, {1000, 2000}}};
  EXPECT_EQ(result("matmul", "", {in[0], in[1]}), (Numbers{31, 302, 64, 605}));
  EXPECT_EQ(result("matmul", "alpha=2", in, 2), (Numbers{1062, 2604, 1128, 3210}));
  EXPECT_EQ(result("matmul", "min=60;max=605", {in[0], in[1]}), (Numbers{60, 302, 64, 605}));
}

TEST(Matmul, TakesOperandsTransposed) {
  const Operand a = {{3, 2}, {1, 4, 2, 5, 3, 6}}, b = {{2, 3}, {1, 0, 10, 0, 1, 100}};
  EXPECT_EQ(result("matmul", "trans_a=1;trans_b=1", {a, b}), (Numbers{31, 302, 64, 605}));
}

TEST(Matmul, TakesAVectorAsARowOnTheLeftAndAColumnOnTheRight) {
  const Operand vector = {{2}, {1, 10}}, matrix = {{2, 2}, {1, 2, 3, 4}};
  EXPECT_EQ(result("matmul", "", {vector, vector}), Numbers{101});
  EXPECT_EQ(result("matmul", "", {vector, matrix}), (Numbers{31, 42}));
  EXPECT_EQ(result("matmul", "", {matrix, vector}), (Numbers{21, 43}));
  EXPECT_EQ(refusal("matmul", "", {{2}, {2}}), "[]");
  EXPECT_EQ(refusal("matmul", "", {{7, 2}, {3, 2, 5}}), "[3,7,5]");
  EXPECT_EQ(refusal("matmul", "", {{2}, {3, 2, 5}}), "[3,5]");
  EXPECT_EQ(refusal("matmul", "", {{3, 5, 2}, {2}}), "[3,5]");
}

TEST(Matmul, BroadcastsBatches) {
  // a: two of 1 x 1, b: three of 1 x 1.
  EXPECT_EQ(result("matmul", "", {{{2, 1, 1, 1}, {1, 10}}, {{3, 1, 1}, {1, 2, 3}}}),
            (Numbers{1, 2, 3, 10, 20, 30}));
}

TEST(Matmul, LetsANanThrough) {
  EXPECT_TRUE(std::isnan(result("matmul", "min=0", {{{1, 2}, {NAN, 0}}, {{2, 1}, {0, 0}}})[0]));
}

TEST(Matmul, TakesAwayBothZeroPoints) {
  // a = 0.5 * (q - 3), b = 0.25 * (q - 200): a [-1.5, 126], b [[13.75], [-50]], and a bias of 1.
  for (const Isa* isa : isas()) {
    if (!supported(*isa)) continue;
    Problem p{.op = find_op("matmul"), .attrs = parse_attrs(*find_op("matmul"), ""), .constants_from = 2};
    p.in = {integers({1, 2}, {0, 255}, 0.5, 3), integers({2, 1}, {255, 0}, 0.25, 200),
            make_tensor(Shape{1}, Numbers{1})};
    p.out = {DType::kU8, {1, 1}, one_scale(32, 210)};
    // (-20.625 - 6300 + 1) / 32 = -197.488
    EXPECT_EQ(run(p, *kernels_up_to(isa->name))[0], 210 - 197) << isa->name;
  }
}

TEST(Matmul, AddsABiasFarBeyondTheStepsOfItsProducts) {
  Problem p{
      .op = find_op("matmul"), .attrs = parse_attrs(*find_op("matmul"), "max=1.75"), .constants_from = 2};
  p.in = {integers({2, 1}, {13, 4}, 1e-10, 3), integers({1, 2}, {201, 199}, 0.25, 200),
          make_tensor(Shape{2}, Numbers{1, -2})};
  p.out = {DType::kU8, {2, 2}, one_scale(0.5, 100)};
  std::vector<uint8_t> got = run(p, *kernels_up_to(""));
  got.resize(4);
  EXPECT_EQ(got, (std::vector<uint8_t>{102, 96, 102, 96}));
}

TEST(Matmul, SumsMoreProductsThanInt32Holds) {
  constexpr int64_t kDepth = 40000;  // of 255 * 255
  Problem p{.op = find_op("matmul"), .attrs = parse_attrs(*find_op("matmul"), ""), .constants_from = 2};
  p.in = {integers({1, kDepth}, std::vector<int>(kDepth, 255), 1, 0),
          integers({kDepth, 1}, std::vector<int>(kDepth, 255), 1, 0)};
  p.out = {DType::kU8, {1, 1}, one_scale(16777216, 0)};
  EXPECT_EQ(run(p, *kernels_up_to(""))[0], 155);  // 2,601,000,000 / 2^24 = 155.03
}

TEST(Matmul, RefusesWhatDoesNotFit) {
  EXPECT_EQ(refusal("matmul", "", {{2, 3}, {4, 5}}),
            "operands are [2,3] and [4,5], which sum 3 and 4 products, wanted as many");
  EXPECT_EQ(refusal("matmul", "", {{2, 2, 3}, {3, 3, 5}}),
            "inputs are [2] and [3], wanted extents that are equal or 1");
  EXPECT_EQ(refusal("matmul", "", {{}, {3}}),
            "an operand is [] with trans_a 0, wanted rank 1 or more, and 0, or 1 for matrices");
  EXPECT_EQ(refusal("matmul", "trans_b=1", {{3}, {3}}),
            "an operand is [3] with trans_b 1, wanted rank 1 or more, and 0, or 1 for matrices");
  EXPECT_EQ(refusal("matmul", "trans_a=2", {{3, 3}, {3, 3}}),
            "an operand is [3,3] with trans_a 2, wanted rank 1 or more, and 0, or 1 for matrices");
  EXPECT_EQ(refusal("matmul", "alpha=0", {{3, 3}, {3, 3}}),
            "alpha is 0, wanted a finite number other than 0");
  EXPECT_EQ(refusal("matmul", "", {{2, 0}, {0, 5}}), "an operand is [2,0], wanted extents of at least 1");
  EXPECT_EQ(refusal("matmul", "", {{2, 3}, {3, 5}, {4}}), "bias is [4], wanted [5]");
}

std::string samples_of(const std::string& attrs, const std::vector<Shape>& in) {
  const OpDef& op = *find_op("matmul");
  std::vector<TensorType> types;
  for (const Shape& shape : in) types.push_back({DType::kF32, shape, {}});
  try {
    const std::vector<Shape> out = op.infer(parse_attrs(op, attrs), types);
    check_samples(op, parse_attrs(op, attrs), types, out);
    return to_string(out[0]);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Matmul, KeepsSamplesApartButWhereItSumsOverThem) {
  EXPECT_EQ(samples_of("", {{-1, 8, 4}, {-1, 4, 5}}), to_string(Shape{-1, 8, 5}));
  EXPECT_EQ(samples_of("", {{-1, 4}, {4, 5}}), to_string(Shape{-1, 5}));
  EXPECT_EQ(samples_of("trans_b=1", {{3, 4}, {-1, 4}}), to_string(Shape{3, -1}));
  EXPECT_EQ(samples_of("trans_a=1", {{-1, 4}, {-1, 5}}), "mixes samples: a sum over the axis they lie along");
  EXPECT_EQ(samples_of("", {{-1, 4}, {-1}}).substr(0, 12), "operands are");
  EXPECT_EQ(samples_of("trans_b=1", {{-1, 4}, {-1, 4}}),
            "mixes samples: their number is more than one extent of " + to_string(Shape{-1, -1}));
}

// ---- pools ----

TEST(AvgPool, SkipsPixelsBetweenDilatedTaps) {
  const Operand x = {{1, 1, 5}, {1, 2, 3, 4, 5}};
  EXPECT_EQ(result("avg_pool", "kernel_shape=2;dilations=2", {x}), (Numbers{2, 3, 4}));
  EXPECT_EQ(result("avg_pool", "kernel_shape=2;dilations=2;pads=1,1", {x}), (Numbers{2, 2, 3, 4, 4}));
  EXPECT_EQ(result("avg_pool", "kernel_shape=2;dilations=2;pads=1,1;count_include_pad=1", {x}),
            (Numbers{1, 2, 3, 4, 2}));
  // The last window of ceil_mode begins on 4 and reaches beyond the padding, which does not count.
  EXPECT_EQ(result("avg_pool", "kernel_shape=2;dilations=3;strides=3;ceil_mode=1;count_include_pad=1", {x}),
            (Numbers{2.5f, 4}));
}

TEST(AdaptiveMaxPool, TakesTheGreatestOfOverlappingWindows) {
  const Operand x = {{1, 1, 5}, {-1, -2, -3, 9, -5}};
  EXPECT_EQ(result("adaptive_max_pool", "output_size=2", {x}), (Numbers{-1, 9}));
  EXPECT_EQ(result("adaptive_max_pool", "output_size=3", {x}), (Numbers{-1, 9, 9}));
  EXPECT_TRUE(std::isnan(result("adaptive_max_pool", "output_size=1", {{{1, 1, 2}, {NAN, 1}}})[0]));
  EXPECT_EQ(
      refusal("adaptive_max_pool", "output_size=1", {{1, 2, 3, 3}}),
      "input is [1,2,3,3], output_size has 1 entries, wanted rank 3 to 5 and an entry per spatial axis");
}

TEST(LpPool, IsTheNormUnderEachWindow) {
  const Operand x = {{1, 1, 4}, {3, -4, 0, 5}};
  EXPECT_EQ(result("lp_pool", "kernel_shape=2", {x}), (Numbers{5, 4, 5}));
  EXPECT_EQ(result("lp_pool", "kernel_shape=2;p=1", {x}), (Numbers{7, 4, 5}));
  EXPECT_EQ(result("lp_pool", "kernel_shape=2;p=3;strides=2", {{{1, 1, 4}, {-3, 0, 1, -1}}}),
            (Numbers{3, 1.2599210498948731648f}));  // the cube root of 2
  EXPECT_EQ(result("lp_pool", "kernel_shape=2;pads=1,0", {x}), (Numbers{3, 5, 4, 5}));
  EXPECT_EQ(result("lp_pool", "kernel_shape=1;p=6", {{{1, 1, 2}, {-3e38f, 0}}}), (Numbers{3e38f, 0}));
  EXPECT_TRUE(std::isnan(result("lp_pool", "kernel_shape=2;p=3", {{{1, 1, 2}, {NAN, 1}}})[0]));
  EXPECT_EQ(refusal("lp_pool", "kernel_shape=2;p=7", {{1, 1, 4}}), "p is 7, wanted 1 to 6");
  EXPECT_EQ(refusal("lp_pool", "kernel_shape=2;p=0", {{1, 1, 4}}), "p is 0, wanted 1 to 6");
}

TEST(LpPool, OfIntegersIsRoundedOnce) {
  Problem p{.op = find_op("lp_pool"), .attrs = parse_attrs(*find_op("lp_pool"), "kernel_shape=2")};
  p.in = {integers({1, 1, 3}, {13, 6, 110}, 0.5, 10)};  // 1.5, -2, 50
  p.constants_from = 1;
  p.out = {DType::kU8, {1, 1, 2}, one_scale(0.25, 1)};
  const std::vector<uint8_t> got = run(p, generic());
  EXPECT_EQ(got[0], 11);   // 2.5
  EXPECT_EQ(got[1], 201);  // sqrt(2504) = 50.04
}

// ---- ONNX ----

OnnxNode::Input computed(const Shape& shape) {
  OnnxNode::Input input;
  input.type = {DType::kF32, shape, {}};
  return input;
}

OnnxNode::Input constant(const Shape& shape) {
  OnnxNode::Input input = computed(shape);
  input.constant = make_tensor(shape, Numbers(static_cast<size_t>(elements(shape)), 2));
  return input;
}

OnnxNode node(std::string type, std::vector<OnnxNode::Input> inputs, Attrs attrs = {}, int64_t opset = 13) {
  OnnxNode out;
  out.type = std::move(type);
  out.opset = opset;
  out.inputs = std::move(inputs);
  out.attrs = std::move(attrs);
  return out;
}

// "conv3d [1,2,3]", or why not.
std::string mapped(const OnnxNode& node) {
  try {
    const std::optional<MappedNode> mapped = map_node(node);
    if (!mapped) return "none";
    std::vector<TensorType> types;
    for (const OnnxNode::Input& input : mapped->node.inputs)
      if (input.used) types.push_back(input.type);
    return text(mapped->op->name, " ", to_string(mapped->op->infer(mapped->node.attrs, types).at(0)));
  } catch (const Error& error) {
    return error.what();
  }
}

Ints ints(const OnnxNode& node, std::string_view name) { return attr_ints(map_node(node)->node.attrs, name); }

TEST(OnnxProducts, OfEveryRankHaveAnOperator) {
  EXPECT_EQ(mapped(node("Conv", {computed({1, 4, 5, 5, 5}), constant({2, 4, 3, 3, 3})})),
            "conv3d [1,2,3,3,3]");
  EXPECT_EQ(mapped(node("ConvTranspose", {computed({1, 4, 5}), constant({4, 2, 3})})),
            "conv_transpose1d [1,2,7]");
  EXPECT_EQ(mapped(node("ConvTranspose", {computed({1, 4, 5, 5}), constant({4, 2, 3, 3})},
                        {{"group", int64_t{2}}})),
            "conv_transpose2d [1,4,7,7]");
  EXPECT_EQ(mapped(node("ConvTranspose", {computed({1, 4, 2, 2, 2}), constant({4, 2, 2, 2, 2})},
                        {{"strides", Ints{2, 2, 2}}})),
            "conv_transpose3d [1,2,4,4,4]");
}

OnnxNode transposed(Attrs attrs, const Shape& x = {1, 1, 5}, int64_t kernel = 3) {
  return node("ConvTranspose", {computed(x), constant({1, 1, kernel})}, std::move(attrs));
}

TEST(OnnxConvTranspose, PadsToTheOutputThatIsWanted) {
  const auto with = [](const char* mode) {
    return Attrs{{"auto_pad", std::string(mode)}, {"strides", Ints{2}}};
  };
  EXPECT_EQ(mapped(transposed(with("SAME_UPPER"))), "conv_transpose1d [1,1,10]");
  EXPECT_EQ(ints(transposed(with("SAME_UPPER")), "pads"), (Ints{0, 1}));
  EXPECT_EQ(ints(transposed(with("SAME_LOWER")), "pads"), (Ints{1, 0}));
  EXPECT_EQ(mapped(transposed(with("VALID"))), "conv_transpose1d [1,1,11]");
  EXPECT_EQ(ints(transposed(with("SAME_UPPER"), {1, 1, -1}), "pads"), (Ints{0, 1}));
  // A kernel smaller than the stride leaves outputs behind.
  EXPECT_EQ(mapped(transposed(with("SAME_UPPER"), {1, 1, 5}, 1)), "conv_transpose1d [1,1,10]");
  EXPECT_EQ(ints(transposed({{"strides", Ints{2}}, {"output_shape", Ints{8}}}), "pads"), (Ints{2, 1}));
  EXPECT_EQ(mapped(transposed({{"strides", Ints{2}}, {"output_shape", Ints{1, 1, 12}}})),
            "conv_transpose1d [1,1,12]");
  EXPECT_EQ(mapped(transposed({{"strides", Ints{2}}, {"output_shape", Ints{13}}})),
            "attribute output_padding holds 2, wanted 0 to 1, below stride or dilation");
  EXPECT_EQ(mapped(transposed({{"output_shape", Ints{8}}}, {1, 1, -1})).substr(0, 26),
            "output_shape with an input");
  EXPECT_EQ(mapped(transposed({{"output_shape", Ints{8, 8}}})),
            "output_shape has 2 entries, wanted one per spatial axis, 1");
  EXPECT_EQ(mapped(transposed({{"auto_pad", std::string("SAME")}})),
            "auto_pad is \"SAME\", wanted NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  EXPECT_EQ(mapped(transposed({{"kernel_shape", Ints{2}}})),
            "kernel_shape is [2], weight is [1,1,3], wanted [3]");
}

TEST(OnnxMatMul, IsLinearWithAConstantMatrixOnTheRightAlone) {
  EXPECT_EQ(mapped(node("MatMul", {computed({2, 3}), constant({3, 4})})), "linear [2,4]");
  EXPECT_EQ(mapped(node("MatMul", {computed({2, 3}), computed({3, 4})})), "matmul [2,4]");
  EXPECT_EQ(mapped(node("MatMul", {constant({2, 3}), computed({3, 4})})), "matmul [2,4]");
  EXPECT_EQ(mapped(node("MatMul", {computed({5, 2, 3}), constant({5, 3, 4})})), "matmul [5,2,4]");
  EXPECT_EQ(mapped(node("MatMul", {computed({3}), constant({3, 4})})), "linear [4]");
  EXPECT_EQ(mapped(node("MatMul", {computed({3}), constant({3})})), "matmul []");
}

TEST(OnnxGemm, IsMatmulWhereItIsNotLinear) {
  EXPECT_EQ(mapped(node("Gemm", {computed({2, 3}), constant({3, 4})})), "linear [2,4]");
  EXPECT_EQ(
      mapped(node("Gemm", {computed({3, 2}), constant({3, 4}), constant({1, 4})}, {{"transA", int64_t{1}}})),
      "matmul [2,4]");
  EXPECT_EQ(
      mapped(node("Gemm", {computed({2, 3}), computed({4, 3}), computed({4})}, {{"transB", int64_t{1}}})),
      "matmul [2,4]");
  const MappedNode gemm = *map_node(node("Gemm", {computed({2, 3}), computed({3, 4}), constant({1})},
                                         {{"alpha", 0.5}, {"beta", 3.0}, {"transA", int64_t{0}}}));
  EXPECT_EQ(attr_float(gemm.node.attrs, "alpha"), 0.5);
  EXPECT_EQ(gemm.node.inputs[2].constant->type.shape, Shape{4});
  EXPECT_EQ(gemm.node.inputs[2].constant->as<float>()[3], 6);
  EXPECT_EQ(mapped(node("Gemm", {computed({2, 3}), computed({3, 4}), computed({4})}, {{"beta", 2.0}})),
            "bias is computed, wanted a constant");
  EXPECT_EQ(mapped(node("Gemm", {computed({2, 3}), computed({1, 3, 4})})),
            "input 2 is [1,3,4], wanted rank 2");
}

TEST(OnnxPools, MapToTheirOperators) {
  EXPECT_EQ(mapped(node("GlobalMaxPool", {computed({-1, 8, -1, 5})})),
            "adaptive_max_pool " + to_string(Shape{-1, 8, 1, 1}));
  EXPECT_EQ(mapped(node("GlobalLpPool", {computed({-1, 8, 4, 5})}, {{"p", int64_t{1}}})),
            "lp_pool " + to_string(Shape{-1, 8, 1, 1}));
  EXPECT_EQ(mapped(node("GlobalLpPool", {computed({1, 8, -1, 5})})).substr(0, 8), "input is");
  for (const auto& [mode, pads] :
       {std::pair{"SAME_UPPER", Ints{0, 1}}, {"SAME_LOWER", Ints{1, 0}}, {"VALID", Ints{0, 0}}}) {
    const Attrs attrs = {{"kernel_shape", Ints{2}}, {"auto_pad", std::string(mode)}};
    for (const char* type : {"MaxPool", "AveragePool", "LpPool"})
      EXPECT_EQ(ints(node(type, {computed({1, 1, 7})}, attrs), "pads"), pads) << type << " " << mode;
  }
  EXPECT_EQ(mapped(node("AveragePool", {computed({1, 1, 7, 7, 7})},
                        {{"kernel_shape", Ints{2, 2, 2}},
                         {"dilations", Ints{2, 1, 3}},
                         {"ceil_mode", int64_t{1}},
                         {"strides", Ints{2, 2, 2}},
                         {"count_include_pad", int64_t{1}}},
                        19)),
            "avg_pool [1,1,3,4,3]");
  EXPECT_EQ(mapped(node("LpPool", {computed({1, 1, 7})}, {{"kernel_shape", Ints{2}}, {"p", int64_t{9}}})),
            "p is 9, wanted 1 to 6");
}

}  // namespace
}  // namespace q
