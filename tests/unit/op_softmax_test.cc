// softmax and log_softmax beyond a block of 256 elements: near exact numbers, the same bits however the axis
// lies, and what is not finite.
#include <cmath>
#include <limits>

#include "op_problem.h"
#include "q/exec.h"

namespace q {
namespace {

using namespace op_problem;

using U8 = std::vector<uint8_t>;
using F32 = std::vector<float>;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

F32 real(std::string_view name, std::string_view attrs, const Shape& shape, const F32& values,
         const Kernels& kernels = generic()) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  p.in.push_back(make_tensor(shape, values));
  p.constants_from = 1;
  p.out = {DType::kF32, shape, {}};
  return as_floats(run(p, kernels));
}

// Of integers of this scale and zero point 7, to the fixed range of the operator.
U8 quantized(std::string_view name, std::string_view attrs, const Shape& shape, const U8& values,
             double scale, const Kernels& kernels = generic()) {
  Problem p{.op = find_op(name)};
  p.attrs = parse_attrs(*p.op, attrs);
  p.in.push_back(make_tensor(
      TensorType{DType::kU8, shape, QParams{QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {7}}}));
  std::ranges::copy(values, p.in[0].as<uint8_t>());
  p.constants_from = 1;
  p.out = {DType::kU8, shape, fixed_qparams(*p.op)};
  U8 out = run(p, kernels);
  out.resize(out.size() - kGuard);
  return out;
}

// Two rows of this extent, and the same as two columns.
template <typename T>
struct Lines {
  static constexpr int64_t kCount = 2;
  int64_t extent;
  std::vector<T> rows{}, columns{};

  template <typename Value>
  Lines(int64_t n, const Value& value) : extent(n) {
    for (int64_t i = 0; i < kCount * n; ++i) rows.push_back(value(i));
    columns = turned(rows, kCount, n);
  }
  static std::vector<T> turned(const std::vector<T>& x, int64_t height, int64_t width) {
    std::vector<T> out;
    for (int64_t c = 0; c < width; ++c)
      for (int64_t r = 0; r < height; ++r) out.push_back(x[static_cast<size_t>(r * width + c)]);
    return out;
  }
};

// Around lanes and blocks.
constexpr int64_t kExtents[] = {1, 15, 16, 17, 255, 256, 257, 272, 1000};

float spread(int64_t i) { return static_cast<float>(i * 37 % 251) / 16 - 8; }
uint8_t spread_level(int64_t i) { return static_cast<uint8_t>(i * 37 % 251); }

TEST(Softmax, IsNearTheExactNumbers) {
  for (const int64_t extent : kExtents) {
    const Lines<float> x(extent, spread);
    const F32 y = real("softmax", "", {2, extent}, x.rows),
              log = real("log_softmax", "", {2, extent}, x.rows);
    for (size_t row = 0; row < x.rows.size(); row += static_cast<size_t>(extent)) {
      double sum = 0;
      for (size_t i = row; i < row + static_cast<size_t>(extent); ++i)
        sum += std::exp(static_cast<double>(x.rows[i]));
      for (size_t i = row; i < row + static_cast<size_t>(extent); ++i) {
        const double wanted = std::exp(static_cast<double>(x.rows[i])) / sum;
        EXPECT_NEAR(y[i], wanted, 3e-7 * wanted) << extent;
        EXPECT_NEAR(log[i], std::log(wanted), 2e-6) << extent;
      }
    }
  }
}

TEST(Softmax, HasTheSameBitsHoweverTheAxisLiesAndOnAllRowsOfKernels) {
  for (const int64_t extent : kExtents) {
    const Lines<float> x(extent, spread);
    for (const char* name : {"softmax", "log_softmax"}) {
      const F32 along = real(name, "axis=1", {2, extent}, x.rows);
      EXPECT_EQ(real(name, "axis=0", {extent, 2}, x.columns), Lines<float>::turned(along, 2, extent))
          << extent;
      for (const std::string& isa : available_isas())
        EXPECT_EQ(real(name, "axis=1", {2, extent}, x.rows, kernels_for(isa)), along) << isa << ' ' << extent;
    }
  }
}

TEST(QuantizedSoftmax, HasTheSameIntegersHoweverTheAxisLiesAndOnAllRowsOfKernels) {
  for (const int64_t extent : kExtents) {
    const Lines<uint8_t> x(extent, spread_level);
    for (const char* name : {"softmax", "log_softmax"}) {
      const U8 along = quantized(name, "axis=1", {2, extent}, x.rows, 0.05);
      EXPECT_EQ(quantized(name, "axis=0", {extent, 2}, x.columns, 0.05),
                Lines<uint8_t>::turned(along, 2, extent))
          << extent;
      for (const std::string& isa : available_isas())
        EXPECT_EQ(quantized(name, "axis=1", {2, extent}, x.rows, 0.05, kernels_for(isa)), along)
            << isa << ' ' << extent;
    }
  }
}

TEST(QuantizedSoftmax, CountsFromTheGreatestInteger) {
  // exp(-ln(3)): shares of 3/4 and 1/4; logarithms -0.288 and -1.386, in sixteenths below 255
  EXPECT_EQ(quantized("softmax", "", {1, 2}, {255, 254}, std::log(3.)), (U8{192, 64}));
  EXPECT_EQ(quantized("softmax", "", {1, 2}, {0, 1}, std::log(3.)), (U8{64, 192}));
  EXPECT_EQ(quantized("log_softmax", "", {1, 2}, {255, 254}, std::log(3.)), (U8{250, 233}));
  EXPECT_EQ(quantized("softmax", "", {1, 2}, {0, 255}, 1), (U8{0, 255}));
}

TEST(Softmax, GivesNothingToMinusInfinity) {
  EXPECT_EQ(real("softmax", "", {1, 4}, {-kInf, 3, -kInf, 3}), (F32{0, 0.5f, 0, 0.5f}));
  EXPECT_EQ(real("log_softmax", "", {1, 2}, {-kInf, 3}), (F32{-kInf, 0}));
}

TEST(Softmax, IsNotANumberInRowsThatHaveNoGreatestNumber) {
  for (const F32& x : {F32{1, kInf, 2}, F32{1, kNan, 2}, F32{kInf, kInf, kInf}, F32{-kInf, -kInf, -kInf},
                       F32{kNan, -kInf, kInf}})
    for (const char* name : {"softmax", "log_softmax"})
      for (const float y : real(name, "", {1, 3}, x)) EXPECT_TRUE(std::isnan(y)) << name << ' ' << x[1];
}

TEST(Softmax, StaysFiniteForNumbersFarApart) {
  EXPECT_EQ(real("softmax", "", {1, 2}, {3e38f, -3e38f}), (F32{1, 0}));
  EXPECT_EQ(real("softmax", "", {1, 2}, {-3e38f, -3e38f}), (F32{0.5f, 0.5f}));
}

}  // namespace
}  // namespace q
