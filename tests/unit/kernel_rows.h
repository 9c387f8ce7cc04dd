// What the tests of kernels share: random operands, guarded outputs, and the fixture that runs a test on
// every row.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "seed.h"

namespace kernel_rows {

using q::Isa;
using q::Kernels;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr size_t kGuard = 80;  // elements behind an output: more than a vector of bytes

// Equal bits, but one NaN is as good as another: which of two a sum keeps is the processor's choice.
inline bool same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}
inline bool same(uint8_t a, uint8_t b) { return a == b; }

// An output of n elements between marks that must survive.
template <typename T>
struct Output {
  static constexpr T kMark = T(77);
  explicit Output(size_t count) : n(count), elements(count + kGuard, kMark) {}
  T* data() { return elements.data(); }

  size_t n;
  std::vector<T> elements;
};

template <typename T>
void expect_same(const Output<T>& expected, const Output<T>& actual) {
  ASSERT_EQ(expected.elements.size(), actual.elements.size());
  for (size_t i = 0; i < actual.elements.size(); ++i) {
    ASSERT_TRUE(same(expected.elements[i], actual.elements[i]))
        << "element " << i << " of " << actual.n << ": " << +actual.elements[i] << ", wanted "
        << +expected.elements[i];
    if (i >= actual.n) {
      ASSERT_EQ(actual.elements[i], Output<T>::kMark) << "behind the output of " << actual.n;
    }
  }
}

// Random values, and as many that kernels get wrong.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t between(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(engine_); }
  float real(float lo, float hi) { return std::uniform_real_distribution<float>(lo, hi)(engine_); }

  // Padded with what kernels may read and must not use.
  std::vector<uint8_t> u8(size_t n) {
    std::vector<uint8_t> x(n + 64);
    for (uint8_t& value : x) value = static_cast<uint8_t>(between(0, 3) ? between(0, 255) : 255);
    return x;
  }
  std::vector<int8_t> i8(size_t n) {
    std::vector<int8_t> x(n);
    for (int8_t& value : x) value = static_cast<int8_t>(between(0, 3) ? between(-128, 127) : -128);
    return x;
  }
  std::vector<float> f32(size_t n) {
    std::vector<float> x(n);
    for (float& value : x) value = real(-4, 4);
    return x;
  }
  std::vector<float> odd_f32(size_t n) {
    static const float kOdd[] = {0.f,   -0.f,   kInf, -kInf, kNan,  -kNan,  kTiny, -kTiny, 1e-40f,
                                 1e30f, -3e38f, 0.5f, 1.5f,  -2.5f, 127.5f, 2e9f,  -3e9f,  8388609.f};
    std::vector<float> x = f32(n);
    for (float& value : x) {
      if (between(0, 2) == 0) value = kOdd[between(0, std::size(kOdd) - 1)];
    }
    return x;
  }
  std::vector<int32_t> biases(size_t n) {
    std::vector<int32_t> x(n);
    for (int32_t& value : x) value = static_cast<int32_t>(between(-200000, 200000));
    return x;
  }
  std::vector<float> multipliers(size_t n) {
    std::vector<float> x(n);
    for (float& value : x)
      value = between(0, 1) ? real(1e-5f, 1e-2f) : 0.5f;  // 0.5: every second sum is a tie
    return x;
  }
  q::ToU8 to_u8(float inverse_scale) {
    const int32_t lo = static_cast<int32_t>(between(0, 3) ? 0 : between(0, 128));
    const int32_t hi = static_cast<int32_t>(between(0, 3) ? 255 : between(lo, 255));
    return {inverse_scale, static_cast<int32_t>(between(0, 255)), lo, hi};
  }

 private:
  std::mt19937_64 engine_;
};

inline const Kernels& generic() { return *q::kernels_up_to("generic"); }

inline std::string isa_name(const testing::TestParamInfo<const Isa*>& info) { return info.param->name; }

// Every row but generic is compared with generic; generic is held against itself for its guards.
class KernelRow : public testing::TestWithParam<const Isa*> {
 protected:
  void SetUp() override {
    if (!q::supported(*GetParam())) GTEST_SKIP() << "this machine cannot run " << GetParam()->name;
    row = q::kernels_up_to(GetParam()->name);
    ASSERT_NE(row, nullptr);
  }

  const uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  Random random{seed};
  const Kernels* row = nullptr;
};

// Nothing; one; around vectors of 16 and 32 bytes and of 64; around two of these; more than that with a tail.
inline const size_t kLengths[] = {0,  1,  2,  7,  8,  9,   15,  16,  17,  31, 32,
                                  33, 47, 63, 64, 65, 127, 128, 129, 200, 321};

}  // namespace kernel_rows
