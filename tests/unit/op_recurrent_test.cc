// Recurrent layers against plain loops: in double within rounding, in integers to the bit; by hand; and out
// of ONNX.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/math.h"
#include "onnx/mapping.h"
#include "onnx_models.h"
#include "op_problem.h"

namespace q {
namespace {

using op_problem::as_floats;
using op_problem::generic;
using op_problem::Problem;
using op_problem::run_all;

// ---- problems ----

struct Extents {
  int64_t steps = 1, samples = 1, inputs = 1, hidden = 1;
};

int64_t gates_of(const std::string& op) { return op == "lstm" ? 4 : op == "gru" ? 3 : 1; }

// What a layer looks like from the outside.
struct Look {
  std::string op;
  Attrs attrs;
  Extents n;
  int64_t directions, gates;
  bool samples_first;
  bool reversed(int64_t direction) const {
    return direction == 1 || attr_string(attrs, "direction") == "reverse";
  }
  int64_t step(int64_t direction, int64_t i) const { return reversed(direction) ? n.steps - 1 - i : i; }
  int64_t x_at(int64_t t, int64_t sample) const {
    return (samples_first ? sample * n.steps + t : t * n.samples + sample) * n.inputs;
  }
  int64_t y_at(int64_t t, int64_t direction, int64_t sample) const {
    return (samples_first ? (sample * n.steps + t) * directions + direction
                          : (t * directions + direction) * n.samples + sample) *
           n.hidden;
  }
  int64_t state_at(int64_t direction, int64_t sample, int64_t samples) const {
    const int64_t index = samples == 1 ? 0 : sample;
    return (samples_first ? index * directions + direction : direction * samples + index) * n.hidden;
  }
};

Look look_of(const std::string& op, const std::string& attrs, const Extents& n) {
  Look look{.op = op, .attrs = parse_attrs(*find_op(op), attrs), .n = n};
  look.directions = attr_string(look.attrs, "direction") == "bidirectional" ? 2 : 1;
  look.gates = gates_of(op);
  look.samples_first = attr_int(look.attrs, "layout") == 1;
  return look;
}

Shape state_shape(const Look& look, int64_t samples) {
  return look.samples_first ? Shape{samples, look.directions, look.n.hidden}
                            : Shape{look.directions, samples, look.n.hidden};
}

Tensor random_tensor(const Shape& shape, float reach, std::mt19937_64& random) {
  std::uniform_real_distribution<float> draw(-reach, reach);
  Tensor out = make_tensor(DType::kF32, shape);
  for (int64_t i = 0; i < elements(shape); ++i) out.as<float>()[i] = draw(random);
  return out;
}

// Operands of a layer, with initial states of so many samples (0: none).
Problem float_problem(const Look& look, int64_t state_samples, std::mt19937_64& random) {
  const auto& [steps, samples, inputs, hidden] = look.n;
  const int64_t rows = look.directions * look.gates * hidden;
  Problem p{.op = find_op(look.op), .attrs = look.attrs, .constants_from = 1};
  p.in.push_back(random_tensor(
      look.samples_first ? Shape{samples, steps, inputs} : Shape{steps, samples, inputs}, 2, random));
  p.in.push_back(random_tensor({rows, inputs}, 0.7f, random));
  p.in.push_back(random_tensor({rows, hidden}, 0.7f, random));
  p.in.push_back(random_tensor({2, rows}, 0.5f, random));
  if (state_samples > 0)
    for (int i = 0; i < (look.op == "lstm" ? 2 : 1); ++i)
      p.in.push_back(random_tensor(state_shape(look, state_samples), 1, random));
  std::vector<Shape> shapes = p.op->infer(p.attrs, p.types());
  p.out = {DType::kF32, shapes.at(0), {}};
  for (size_t i = 1; i < shapes.size(); ++i) p.more_outs.push_back({DType::kF32, shapes[i], {}});
  return p;
}

// ---- the loops ----

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double tanh_of(double x) { return std::tanh(x); }
float sigmoid_of(float x) { return static_cast<float>(sigmoid(double{x})); }
float tanh_of(float x) { return static_cast<float>(tanh(double{x})); }

// gx and gh in double.
struct RealProducts {
  using Real = double;
  const Problem& p;

  double sum(size_t weight, int64_t row, const std::vector<double>& x) const {
    const int64_t k = std::ssize(x), rows = p.in[weight].type.shape[0];
    double sum = p.in[3].as<float>()[(static_cast<int64_t>(weight) - 1) * rows + row];
    for (int64_t i = 0; i < k; ++i)
      sum += double{p.in[weight].as<float>()[row * k + i]} * x[static_cast<size_t>(i)];
    return sum;
  }
  std::vector<double> floats(size_t input, int64_t at, int64_t count) const {
    const float* first = p.in[input].as<float>() + at;
    return {first, first + count};
  }
  std::vector<double> x(int64_t at, int64_t count) const { return floats(0, at, count); }
  double gx(int64_t row, const std::vector<double>& x) const { return sum(1, row, x); }
  double gh(int64_t row, const std::vector<double>& h) const { return sum(2, row, h); }
  double round(double h) const { return h; }
};

// The same of integers, in float32: x is held as qx - zx, h as what its integers mean.
struct IntegerProducts {
  using Real = float;
  const Problem& p;

  static float scale(const QParams& q, int64_t channel) {
    return static_cast<float>(q.scales[q.scales.size() == 1 ? 0 : static_cast<size_t>(channel)]);
  }
  float sum(size_t weight, int64_t row, const std::vector<int32_t>& x, float x_scale) const {
    const Tensor& w = p.in[weight];
    const int64_t k = std::ssize(x), rows = w.type.shape[0];
    const QParams& q = *w.type.qparams;
    const int32_t zero = q.zero_points[q.zero_points.size() == 1 ? 0 : static_cast<size_t>(row)];
    int32_t sum = 0;
    for (int64_t i = 0; i < k; ++i) sum += (w.as<int8_t>()[row * k + i] - zero) * x[static_cast<size_t>(i)];
    const float product = static_cast<float>(sum) * (scale(q, row) * x_scale);
    return product + p.in[3].as<float>()[(static_cast<int64_t>(weight) - 1) * rows + row];
  }
  std::vector<float> floats(size_t input, int64_t at, int64_t count) const {
    const QParams& q = *p.in[input].type.qparams;
    std::vector<float> out;
    for (int64_t i = 0; i < count; ++i)
      out.push_back(dequantize_value(p.in[input].as<uint8_t>()[at + i], scale(q, 0), q.zero_points[0]));
    return out;
  }
  std::vector<int32_t> x(int64_t at, int64_t count) const {
    std::vector<int32_t> out;
    for (int64_t i = 0; i < count; ++i)
      out.push_back(p.in[0].as<uint8_t>()[at + i] - p.in[0].type.qparams->zero_points[0]);
    return out;
  }
  float gx(int64_t row, const std::vector<int32_t>& x) const {
    return sum(1, row, x, scale(*p.in[0].type.qparams, 0));
  }
  int32_t integer(float real, const TensorType& to) const {
    const QParams& q = *to.qparams;
    return quantize_value(real, scale(q, 0), q.zero_points[0], q.quant_min, q.quant_max);
  }
  float gh(int64_t row, const std::vector<float>& h) const {
    std::vector<int32_t> x;
    for (const float real : h) x.push_back(integer(real, p.out) - p.out.qparams->zero_points[0]);
    return sum(2, row, x, scale(*p.out.qparams, 0));
  }
  float round(float h) const {
    return dequantize_value(integer(h, p.out), scale(*p.out.qparams, 0), p.out.qparams->zero_points[0]);
  }
};

template <typename Real>
struct Results {
  std::vector<Real> y, h, c;  // as they are before they are rounded to integers
};

// One step of one sample; h is that of the step before, rounded. Returns h', not rounded.
template <typename Products, typename X, typename Real = typename Products::Real>
std::vector<Real> next(const Look& look, const Products& products, int64_t direction, const X& x,
                       const std::vector<Real>& h, std::vector<Real>& c) {
  const int64_t count = look.n.hidden, first = direction * look.gates * count;
  const auto gx = [&](int64_t gate, int64_t j) { return products.gx(first + gate * count + j, x); };
  const auto gh = [&](int64_t gate, int64_t j, const std::vector<Real>& of) {
    return products.gh(first + gate * count + j, of);
  };
  const auto both = [&](int64_t gate, int64_t j) -> Real { return gx(gate, j) + gh(gate, j, h); };
  std::vector<Real> out, reset;
  const bool resets_before = look.op == "gru" && attr_int(look.attrs, "linear_before_reset") == 0;
  for (int64_t j = 0; resets_before && j < count; ++j)
    reset.push_back(products.round(sigmoid_of(both(0, j)) * h[static_cast<size_t>(j)]));
  for (int64_t j = 0; j < count; ++j) {
    const size_t at = static_cast<size_t>(j);
    if (look.op == "lstm") {
      const Real i = sigmoid_of(both(0, j)), f = sigmoid_of(both(1, j)), g = tanh_of(both(2, j)),
                 o = sigmoid_of(both(3, j));
      c[at] = f * c[at] + i * g;
      out.push_back(o * tanh_of(c[at]));
    } else if (look.op == "gru") {
      const Real r = sigmoid_of(both(0, j)), z = sigmoid_of(both(1, j));
      const Real n =
          tanh_of(static_cast<Real>(resets_before ? gx(2, j) + gh(2, j, reset) : gx(2, j) + r * gh(2, j, h)));
      out.push_back((h[at] - n) * z + n);
    } else {
      const Real sum = both(0, j);
      out.push_back(attr_string(look.attrs, "nonlinearity") == "relu" ? std::max(sum, Real{0})
                                                                      : tanh_of(sum));
    }
  }
  return out;
}

template <typename Products>
Results<typename Products::Real> loops(const Look& look, const Products& products) {
  using Real = typename Products::Real;
  const Problem& p = products.p;
  const auto& [steps, samples, inputs, hidden] = look.n;
  Results<Real> out;
  out.y.resize(static_cast<size_t>(elements(p.out.shape)));
  out.h.resize(static_cast<size_t>(look.directions * samples * hidden));
  out.c.resize(out.h.size());
  const auto put = [](std::vector<Real>& to, int64_t at, const std::vector<Real>& from) {
    std::copy(from.begin(), from.end(), to.begin() + at);
  };
  const auto first_state = [&](size_t input, int64_t direction, int64_t sample) {
    if (p.in.size() <= input) return std::vector<Real>(static_cast<size_t>(hidden));
    const int64_t given = p.in[input].type.shape[look.samples_first ? 0 : 1];
    return products.floats(input, look.state_at(direction, sample, given), hidden);
  };
  for (int64_t direction = 0; direction < look.directions; ++direction) {
    for (int64_t sample = 0; sample < samples; ++sample) {
      std::vector<Real> h = first_state(4, direction, sample), c = first_state(5, direction, sample);
      std::vector<Real> exact = h;
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t t = look.step(direction, i);
        for (Real& each : h) each = products.round(each);
        exact = h = next(look, products, direction, products.x(look.x_at(t, sample), inputs), h, c);
        put(out.y, look.y_at(t, direction, sample), exact);
      }
      put(out.h, look.state_at(direction, sample, samples), exact);
      put(out.c, look.state_at(direction, sample, samples), c);
    }
  }
  return out;
}

struct Layer {
  const char *op, *attrs;
  Extents n;
  int64_t state_samples;
};

// Every cell in every direction and layout, with and without states; extents around vectors and blocks.
const Layer kLayers[] = {
    {"lstm", "", {4, 3, 5, 6}, 0},
    {"lstm", "direction=reverse", {3, 2, 16, 8}, 2},
    {"lstm", "direction=bidirectional", {5, 25, 7, 17}, 1},
    {"lstm", "direction=bidirectional;layout=1", {5, 3, 1, 64}, 3},
    {"lstm", "layout=1", {120, 1, 3, 5}, 1},
    {"gru", "", {4, 3, 5, 6}, 0},
    {"gru", "linear_before_reset=1", {4, 3, 5, 6}, 3},
    {"gru", "direction=bidirectional", {3, 30, 8, 17}, 1},
    {"gru", "direction=bidirectional;linear_before_reset=1;layout=1", {3, 3, 9, 33}, 3},
    {"gru", "direction=reverse;layout=1", {110, 1, 2, 4}, 0},
    {"rnn", "", {4, 3, 5, 6}, 3},
    {"rnn", "nonlinearity=relu;direction=reverse", {6, 2, 3, 1}, 0},
    {"rnn", "direction=bidirectional;layout=1", {6, 26, 3, 15}, 1},
};

class Recurrent : public testing::TestWithParam<Layer> {
 protected:
  const uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  std::mt19937_64 random{seed};
  const Look look = look_of(GetParam().op, GetParam().attrs, GetParam().n);
  const Problem problem = float_problem(look, GetParam().state_samples, random);
};
INSTANTIATE_TEST_SUITE_P(Layers, Recurrent, testing::ValuesIn(kLayers),
                         [](const auto& layer) { return text(layer.param.op, "_", layer.index); });

// Rounding to binary32 in each of some hundred sums of below 1 in each step; steps forget.
constexpr double kTolerance = 5e-6;

void expect_near(const std::vector<float>& found, const std::vector<double>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], wanted[i], kTolerance) << "element " << i;
}

TEST_P(Recurrent, FloatIsTheLoopOverSteps) {
  const Results<double> wanted = loops(look, RealProducts{problem});
  const std::vector<std::vector<uint8_t>> found = run_all(problem, *kernels_up_to(""));
  expect_near(as_floats(found[0]), wanted.y);
  expect_near(as_floats(found[1]), wanted.h);
  if (look.op == "lstm") expect_near(as_floats(found[2]), wanted.c);
}

QParams affine(double lo, double hi) {
  const Range range{static_cast<float>(lo), static_cast<float>(hi)};
  return choose_qparams({}, {&range, 1}, "test");
}

// Rows whose zero points are anywhere, so that some weights less zero point leave i8.
Tensor affine_weight(const Tensor& weight, std::mt19937_64& random) {
  const int64_t rows = weight.type.shape[0];
  QParams q{QScheme::kPerChannelAffine, 0, -128, 127, {}, {}};
  for (int64_t row = 0; row < rows; ++row) {
    q.scales.push_back(std::uniform_real_distribution<float>(0.004f, 0.01f)(random));
    q.zero_points.push_back(std::uniform_int_distribution<int32_t>(-128, 127)(random));
  }
  return quantize(weight.view(), DType::kI8, q);
}

// The integer form. y is cut off here and there, and h and c have scales of their own.
Problem integer_problem(const Problem& from, bool affine_weights, std::mt19937_64& random) {
  Problem p = from;
  p.in[0] = op_problem::quantized_activation(from.in[0]);
  for (size_t i : {1, 2})
    p.in[i] =
        affine_weights ? affine_weight(from.in[i], random) : op_problem::quantized_weight(from.in[i], 0);
  for (size_t i = 4; i < p.in.size(); ++i) p.in[i] = op_problem::quantized_activation(from.in[i]);
  const bool is_relu = from.op->name == "rnn" && attr_string(from.attrs, "nonlinearity") == "relu";
  p.out = {DType::kU8, from.out.shape, affine(is_relu ? 0 : -0.7, is_relu ? 3 : 0.8)};
  p.more_outs[0] = {DType::kU8, from.more_outs[0].shape, affine(-0.9, is_relu ? 3.5 : 1)};
  if (p.more_outs.size() > 1) p.more_outs[1] = {DType::kU8, from.more_outs[1].shape, affine(-1.5, 2)};
  return p;
}

void expect_rounded(const std::vector<uint8_t>& found, const std::vector<float>& wanted,
                    const TensorType& type) {
  const QParams& q = *type.qparams;
  ASSERT_EQ(found.size() - op_problem::kGuard, wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    ASSERT_EQ(+found[i], quantize_value(wanted[i], static_cast<float>(q.scales[0]), q.zero_points[0],
                                        q.quant_min, q.quant_max))
        << "element " << i;
}

void expect_integer_loop(const Look& look, const Problem& problem) {
  const Results<float> wanted = loops(look, IntegerProducts{problem});
  for (const Isa* isa : isas()) {
    if (!supported(*isa)) continue;
    SCOPED_TRACE(isa->name);
    const std::vector<std::vector<uint8_t>> found = run_all(problem, *kernels_up_to(isa->name));
    expect_rounded(found[0], wanted.y, problem.out);
    expect_rounded(found[1], wanted.h, problem.more_outs[0]);
    if (look.op == "lstm") expect_rounded(found[2], wanted.c, problem.more_outs[1]);
  }
}

TEST_P(Recurrent, IntegersAreTheLoopOverStepsToTheBit) {
  expect_integer_loop(look, integer_problem(problem, false, random));
}

TEST_P(Recurrent, WeightsMayHaveZeroPoints) {
  expect_integer_loop(look, integer_problem(problem, true, random));
}

// ---- by hand ----

std::vector<std::vector<float>> run(const std::string& op, const std::string& attrs,
                                    const std::vector<Tensor>& in) {
  Problem p{.op = find_op(op), .attrs = parse_attrs(*find_op(op), attrs), .in = in, .constants_from = 1};
  const std::vector<Shape> shapes = p.op->infer(p.attrs, p.types());
  p.out = {DType::kF32, shapes.at(0), {}};
  for (size_t i = 1; i < shapes.size(); ++i) p.more_outs.push_back({DType::kF32, shapes[i], {}});
  std::vector<std::vector<float>> out;
  for (const std::vector<uint8_t>& data : run_all(p, generic())) out.push_back(as_floats(data));
  return out;
}

Tensor tensor(const Shape& shape, const Numbers& values) { return make_tensor(shape, values); }

TEST(RnnByHand, AddsUpForwardsAndBackwards) {
  const Tensor x = tensor({3, 1, 1}, {1, 10, 100});
  const auto one = run("rnn", "nonlinearity=relu", {x, tensor({1, 1}, {1}), tensor({1, 1}, {2})});
  EXPECT_EQ(one[0], Numbers({1, 12, 124}));
  EXPECT_EQ(one[1], Numbers({124}));
  const auto back =
      run("rnn", "nonlinearity=relu;direction=reverse", {x, tensor({1, 1}, {1}), tensor({1, 1}, {2})});
  EXPECT_EQ(back[0], Numbers({421, 210, 100}));
  EXPECT_EQ(back[1], Numbers({421}));
  const auto both = run("rnn", "nonlinearity=relu;direction=bidirectional",
                        {x, tensor({2, 1}, {1, -1}), tensor({2, 1}, {2, 0}), tensor({2, 2}, {0, 0, 0, 15})});
  EXPECT_EQ(both[0], Numbers({1, 14, 12, 5, 124, 0}));  // y [T, D, N, H]
  EXPECT_EQ(both[1], Numbers({124, 14}));
}

TEST(RnnByHand, ANanStaysOne) {
  const Tensor x = tensor({2, 1, 1}, {NAN, 1});
  for (const char* name : {"nonlinearity=relu", "nonlinearity=tanh"}) {
    const auto out = run("rnn", name, {x, tensor({1, 1}, {1}), tensor({1, 1}, {1})});
    EXPECT_TRUE(std::isnan(out[0][0]));
    EXPECT_TRUE(std::isnan(out[1][0]));
  }
}

// Gates that are open or shut: sigmoid(±100) is 1 or 0 in binary32, to 4e-44.
TEST(LstmByHand, GatesAreInputForgetCellAndOutput) {
  const Tensor x = tensor({1, 1, 1}, {0}), w = tensor({4, 1}, {0, 0, 0, 0}), r = w;
  const auto last = [&](const Numbers& biases) {
    Numbers both = biases;
    both.resize(8);
    return run("lstm", "",
               {x, w, r, tensor({2, 4}, both), tensor({1, 1, 1}, {0.25f}), tensor({1, 1, 1}, {0.5f})});
  };
  const float g = static_cast<float>(std::tanh(0.3)), open = 100, shut = -200;
  EXPECT_NEAR(last({open, open, 0.3f, open})[2][0], 0.5f + g, 1e-6);
  EXPECT_NEAR(last({shut, open, 0.3f, open})[2][0], 0.5f, 1e-6);
  EXPECT_NEAR(last({open, shut, 0.3f, open})[2][0], g, 1e-6);
  EXPECT_NEAR(last({open, shut, 0.3f, open})[1][0], std::tanh(g), 1e-6);
  EXPECT_NEAR(last({open, open, 0.3f, shut})[1][0], 0, 1e-6);
}

TEST(GruByHand, GatesAreResetUpdateAndNew) {
  const Tensor x = tensor({1, 1, 1}, {0}), w = tensor({3, 1}, {0, 0, 0}), r = tensor({3, 1}, {0, 0, 2});
  const auto last = [&](const char* attrs, const Numbers& biases) {
    return run("gru", attrs, {x, w, r, tensor({2, 3}, biases), tensor({1, 1, 1}, {0.25f})})[1][0];
  };
  const float open = 100, shut = -200;
  for (const char* attrs : {"linear_before_reset=0", "linear_before_reset=1"}) {
    EXPECT_NEAR(last(attrs, {open, open, 0.1f, 0, 0, 0.3f}), 0.25, 1e-6);
    EXPECT_NEAR(last(attrs, {open, shut, 0.1f, 0, 0, 0.3f}), std::tanh(0.1 + 2 * 0.25 + 0.3), 1e-6);
  }
  // what is reset: h alone, or with its bias
  EXPECT_NEAR(last("linear_before_reset=0", {shut, shut, 0.1f, 0, 0, 0.3f}), std::tanh(0.4), 1e-6);
  EXPECT_NEAR(last("linear_before_reset=1", {shut, shut, 0.1f, 0, 0, 0.3f}), std::tanh(0.1), 1e-6);
}

// ---- refusals ----

std::string refused(const std::string& op, const std::string& attrs, const std::vector<Shape>& shapes) {
  std::vector<TensorType> types;
  for (const Shape& shape : shapes) types.push_back({DType::kF32, shape, {}});
  try {
    find_op(op)->infer(parse_attrs(*find_op(op), attrs), types);
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

TEST(RecurrentShapes, MustFitEachOther) {
  const Shape x = {3, 2, 5}, w = {16, 5}, r = {16, 4}, b = {2, 16}, state = {1, 2, 4};
  EXPECT_EQ(refused("lstm", "", {x, w, r, b, state, {1, 1, 4}}), "taken");
  EXPECT_EQ(refused("lstm", "", {{3, 5}, w, r}), "input is [3,5], wanted rank 3");
  EXPECT_EQ(refused("lstm", "", {x, {16, 4}, r}), "weight is [16,4], wanted [16,5]");
  EXPECT_EQ(refused("lstm", "", {x, {12, 5}, {12, 4}}), "recurrent weight is [12,4], wanted [16,4]");
  EXPECT_EQ(refused("lstm", "", {x, w, {16}}), "recurrent weight is [16], wanted [gates, hidden]");
  EXPECT_EQ(refused("lstm", "", {x, w, {16, kFree}}), "recurrent weight is [16,N], wanted [gates, hidden]");
  EXPECT_EQ(refused("lstm", "", {x, w, r, {16}}), "bias is [16], wanted [2,16]");
  EXPECT_EQ(refused("lstm", "", {x, w, r, b, {1, 3, 4}}), "initial h is [1,3,4], wanted [1,2,4]");
  EXPECT_EQ(refused("lstm", "", {x, w, r, b, state, {2, 4}}), "initial c is [2,4], wanted [1,2,4]");
  EXPECT_EQ(refused("lstm", "layout=1", {x, w, r, b, state}), "initial h is [1,2,4], wanted [3,1,4]");
  EXPECT_EQ(refused("lstm", "layout=2", {x, w, r}), "layout is 2, wanted 0 or 1");
  EXPECT_EQ(refused("lstm", "direction=both", {x, w, r}),
            "direction is both, wanted forward, reverse or bidirectional");
  EXPECT_EQ(refused("lstm", "direction=bidirectional", {x, w, r}),
            "recurrent weight is [16,4], wanted [32,4]");
  EXPECT_EQ(refused("gru", "linear_before_reset=2", {x, {12, 5}, {12, 4}}),
            "linear_before_reset is 2, wanted 0 or 1");
  EXPECT_EQ(refused("rnn", "nonlinearity=gelu", {x, {4, 5}, {4, 4}}),
            "nonlinearity is gelu, wanted tanh or relu");
}

TEST(RecurrentShapes, MayLeaveTheSamplesOpen) {
  const auto shapes = [](const char* attrs, const Shape& x) {
    const std::vector<TensorType> in = {
        {DType::kF32, x, {}}, {DType::kF32, {16, 5}, {}}, {DType::kF32, {16, 4}, {}}};
    return find_op("lstm")->infer(parse_attrs(*find_op("lstm"), attrs), in);
  };
  const auto open = shapes("", {3, kFree, 5});
  EXPECT_EQ(open[0], (Shape{3, 1, kFree, 4}));
  EXPECT_EQ(open[2], (Shape{1, kFree, 4}));
  const auto several = shapes("layout=1", {-3, 7, 5});
  EXPECT_EQ(several[0], (Shape{-3, 7, 1, 4}));
  EXPECT_EQ(several[1], (Shape{-3, 1, 4}));
}

// ---- ONNX ----

OnnxNode::Input computed(const Shape& shape) {
  OnnxNode::Input input;
  input.type = {DType::kF32, shape, {}};
  return input;
}

OnnxNode::Input constant(const Shape& shape, const Numbers& values) {
  OnnxNode::Input input = computed(shape);
  input.constant = make_tensor(shape, values);
  return input;
}

OnnxNode::Input lengths(const Ints& values) {
  OnnxNode::Input input;
  input.constant = make_tensor(DType::kI32, Shape{std::ssize(values)});
  std::copy(values.begin(), values.end(), input.constant->as<int32_t>());
  input.type = input.constant->type;
  return input;
}

OnnxNode::Input absent() {
  OnnxNode::Input input;
  input.absent = true;
  return input;
}

OnnxNode onnx_node(const std::string& type, std::vector<OnnxNode::Input> inputs, Attrs attrs = {}) {
  OnnxNode out;
  out.type = type;
  out.opset = 14;
  out.inputs = std::move(inputs);
  out.attrs = std::move(attrs);
  return out;
}

Numbers numbers(const OnnxNode::Input& input) {
  const float* first = input.constant.value().as<float>();
  return {first, first + elements(input.type.shape)};
}

std::string refusal(const OnnxNode& node) {
  try {
    return map_node(node) ? "taken" : "none";
  } catch (const Error& error) {
    return error.what();
  }
}

const OnnxNode::Input kX = computed({3, kFree, 1});
const OnnxNode::Input kLstmW = constant({1, 4, 1}, {1, 2, 3, 4}), kLstmR = constant({1, 4, 1}, {5, 6, 7, 8}),
                      kLstmB = constant({1, 8}, {1, 2, 3, 4, 5, 6, 7, 8});

TEST(OnnxLstm, GatesComeInOurOrder) {  // ONNX: i o f c
  const std::optional<MappedNode> mapped =
      map_node(onnx_node("LSTM", {kX, kLstmW, kLstmR, kLstmB}, {{"hidden_size", int64_t{1}}}));
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->op->name, "lstm");
  const auto& in = mapped->node.inputs;
  ASSERT_EQ(in.size(), 4u);
  EXPECT_EQ(in[1].type.shape, (Shape{4, 1}));
  EXPECT_EQ(numbers(in[1]), Numbers({1, 3, 4, 2}));
  EXPECT_EQ(numbers(in[2]), Numbers({5, 7, 8, 6}));
  EXPECT_EQ(in[3].type.shape, (Shape{2, 4}));
  EXPECT_EQ(numbers(in[3]), Numbers({1, 3, 4, 2, 5, 7, 8, 6}));
}

TEST(OnnxGru, GatesOfBothDirectionsComeInOurOrder) {  // ONNX: z r h
  const std::optional<MappedNode> mapped = map_node(
      onnx_node("GRU",
                {kX, constant({2, 3, 1}, {1, 2, 3, 4, 5, 6}), constant({2, 3, 1}, {7, 8, 9, 10, 11, 12}),
                 constant({2, 6}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})},
                {{"direction", "bidirectional"}, {"linear_before_reset", int64_t{1}}}));
  ASSERT_TRUE(mapped);
  EXPECT_EQ(attr_int(mapped->node.attrs, "linear_before_reset"), 1);
  const auto& in = mapped->node.inputs;
  EXPECT_EQ(numbers(in[1]), Numbers({2, 1, 3, 5, 4, 6}));
  EXPECT_EQ(numbers(in[3]), Numbers({2, 1, 3, 8, 7, 9, 5, 4, 6, 11, 10, 12}));
}

TEST(OnnxRecurrent, LeavesZeroStatesAndFullLengthsOut) {
  const OnnxNode::Input zeros = constant({1, 1, 1}, {0}), some = constant({1, 1, 1}, {0.5f});
  const auto inputs = [&](std::vector<OnnxNode::Input> more) {
    std::vector<OnnxNode::Input> all = {kX, kLstmW, kLstmR};
    all.insert(all.end(), more.begin(), more.end());
    return map_node(onnx_node("LSTM", std::move(all)))->node.inputs;
  };
  EXPECT_EQ(inputs({kLstmB, lengths({3, 3}), zeros, zeros, absent()}).size(), 4u);
  EXPECT_EQ(inputs({absent(), absent(), zeros, zeros}).size(), 3u);
  EXPECT_EQ(inputs({absent(), absent(), some}).size(), 5u);
  EXPECT_EQ(inputs({kLstmB, absent(), computed({1, kFree, 1}), zeros}).size(), 5u);
  const auto with_c = inputs({absent(), absent(), absent(), some});
  ASSERT_EQ(with_c.size(), 6u);
  EXPECT_EQ(numbers(with_c[3]), Numbers(8));
  EXPECT_EQ(numbers(with_c[4]), Numbers({0}));
  EXPECT_EQ(numbers(with_c[5]), Numbers({0.5f}));
}

TEST(OnnxRecurrent, RefusesWhatALayerOfOursIsNot) {
  const auto lstm = [](std::vector<OnnxNode::Input> more, Attrs attrs = {}) {
    std::vector<OnnxNode::Input> all = {kX, kLstmW, kLstmR};
    all.insert(all.end(), more.begin(), more.end());
    return refusal(onnx_node("LSTM", std::move(all), std::move(attrs)));
  };
  EXPECT_EQ(lstm({}), "taken");
  EXPECT_EQ(lstm({kLstmB, absent(), absent(), absent(), constant({1, 3}, {1, 2, 3})}),
            "has peepholes P, wanted none");
  EXPECT_EQ(lstm({}, {{"clip", 3.0}}), "has attribute clip, wanted none");
  EXPECT_EQ(lstm({}, {{"input_forget", int64_t{1}}}), "input_forget is 1, wanted 0");
  EXPECT_EQ(lstm({}, {{"activation_alpha", Floats{0.5}}}), "has attribute activation_alpha, wanted none");
  EXPECT_EQ(lstm({}, {{"activations", "Sigmoid,Tanh,Tanh"}}), "taken");
  EXPECT_EQ(lstm({}, {{"activations", "Sigmoid,Tanh,Relu"}}),
            "activations are Sigmoid,Tanh,Relu, wanted Sigmoid,Tanh,Tanh");
  EXPECT_EQ(lstm({}, {{"hidden_size", int64_t{2}}}), "hidden_size is 2, recurrent weight is [1,4,1]");
  EXPECT_EQ(lstm({kLstmB, lengths({3, 2})}), "sequence_lens has 2, wanted all 3 steps of every sample");
  EXPECT_EQ(lstm({kLstmB, computed({kFree})}), "sequence_lens is computed, wanted a constant");
  EXPECT_EQ(lstm({constant({1, 4}, {1, 2, 3, 4})}), "bias is [1,4], wanted [1,8]");
  EXPECT_EQ(refusal(onnx_node("LSTM", {kX, computed({1, 4, 1}), kLstmR})),
            "weight is computed, wanted a constant");
  EXPECT_EQ(refusal(onnx_node("LSTM", {kX, constant({1, 3, 1}, {1, 2, 3}), kLstmR})),
            "weight is [1,3,1], wanted [directions, 4 * hidden, inputs]");
}

TEST(OnnxRnn, IsOfTanhOrRelu) {
  const auto rnn = [](Attrs attrs) {
    return map_node(
        onnx_node("RNN", {kX, constant({1, 1, 1}, {1}), constant({1, 1, 1}, {1})}, std::move(attrs)));
  };
  EXPECT_EQ(attr_string(rnn({})->node.attrs, "nonlinearity"), "tanh");
  EXPECT_EQ(attr_string(rnn({{"activations", "Relu"}})->node.attrs, "nonlinearity"), "relu");
  EXPECT_EQ(attr_string(rnn({{"activations", "Tanh,Tanh"}})->node.attrs, "nonlinearity"), "tanh");
  EXPECT_THROW(rnn({{"activations", "Relu,Tanh"}}), Error);
  EXPECT_THROW(rnn({{"activations", "Affine"}}), Error);
}

using ImportRecurrent = Import;

TEST_F(ImportRecurrent, AListOfActivationsAndAllOutputsComeThrough) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 3, 1});
  auto& order =
      *add_attribute(add_node(model, "Transpose", "turn", {"x"}, {"steps"}), "perm", AttributeProto::INTS)
           .mutable_ints();
  for (const int64_t axis : {1, 0, 2}) order.Add(axis);
  add_initializer(model, "w", float_tensor({2, 1, 1}, {1, 1}));
  add_initializer(model, "r", float_tensor({2, 1, 1}, {1, 1}));
  NodeProto& layer = add_node(model, "RNN", "layer", {"steps", "w", "r"}, {"", "last"});
  set_int(layer, "hidden_size", 1);
  add_attribute(layer, "direction", AttributeProto::STRING).set_s("bidirectional");
  AttributeProto& activations = add_attribute(layer, "activations", AttributeProto::STRINGS);
  activations.add_strings("Relu");
  activations.add_strings("Relu");
  auto& back =
      *add_attribute(add_node(model, "Transpose", "back", {"last"}, {"y"}), "perm", AttributeProto::INTS)
           .mutable_ints();
  for (const int64_t axis : {1, 0, 2}) back.Add(axis);
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(nodes(graph), Strings({"turn transpose", "layer rnn", "back transpose"}));
  EXPECT_EQ(attr_string(graph.nodes[1].attrs, "nonlinearity"), "relu");
  EXPECT_EQ(value(graph, "last").type.shape, (Shape{2, kFree, 1}));
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 2, 1}));
}

}  // namespace
}  // namespace q
