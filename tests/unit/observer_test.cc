// Observers: their states depend on the values seen and on nothing else.
#include "q/observer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "base/parallel.h"
#include "kernels/dispatch.h"
#include "seed.h"

namespace q {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

View view_of(const std::vector<float>& values) {
  return {DType::kF32,
          {1, static_cast<int64_t>(values.size())},
          reinterpret_cast<const std::byte*>(values.data()),
          nullptr};
}

const ObserverDef& observer(std::string_view name) { return *find_observer(name); }

void observe(const ObserverDef& def, ObserverState& state, const std::vector<float>& values,
             std::string_view isa = "generic") {
  def.update(state, view_of(values), 0, *kernels_up_to(isa));
}

ObserverState observed(std::string_view name, const std::vector<float>& values,
                       std::string_view isa = "generic") {
  ObserverState state = observer(name).init(1);
  observe(observer(name), state, values, isa);
  observer(name).check(state);
  return state;
}

bool same(const ObserverState& a, const ObserverState& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal);
}

// A histogram's state in numbers.
struct Seen {
  int64_t exponent, first;
  std::vector<int64_t> bins;
  float lo, hi;
  int64_t finite, non_finite;
  bool operator==(const Seen&) const = default;
};

Seen seen(const ObserverState& s) {
  return {s[0].as<int64_t>()[0],
          s[1].as<int64_t>()[0],
          {s[2].as<int64_t>(), s[2].as<int64_t>() + s[2].type.shape[0]},
          s[3].as<float>()[0],
          s[3].as<float>()[1],
          s[4].as<int64_t>()[0],
          s[4].as<int64_t>()[1]};
}

// By definition: the least exponent, from where binary32 has no finer numbers, with which bins of one width
// would be no more than 4096. Bins below 16 widths are a sixteenth of the power of two they lie in, down to
// 2^-28 widths; no number is nearer to zero than 2^-149, so none of them is finer than 2^-130.
Seen expected(const std::vector<float>& values) {
  Seen out{-126, 0, {}, kInfinity, -kInfinity, 0, 0};
  for (float x : values) {
    if (!std::isfinite(x)) {
      ++out.non_finite;
      continue;
    }
    ++out.finite;
    out.lo = std::min(out.lo, x + 0.f);
    out.hi = std::max(out.hi, x + 0.f);
  }
  if (out.finite == 0) return out;
  const auto widths = [&](float x) { return x / std::exp2(static_cast<double>(out.exponent)); };
  const auto even = [&](float x) { return static_cast<int64_t>(std::floor(widths(x))); };
  const float reach = std::max(std::abs(out.lo), std::abs(out.hi));
  while (std::exp2(static_cast<double>(out.exponent + 24)) <= reach) ++out.exponent;  // 24 significant bits
  while (even(out.hi) - even(out.lo) + 1 > 4096) ++out.exponent;

  std::vector<double> edges = {0};  // of the bins below 16 widths, in widths
  for (int power = -28; power < 4; ++power) {
    const int least = power + out.exponent;  // of binary32
    if (least < -127) continue;
    if (least == -127) {  // all below 2^-126, which has no power of its own
      for (int i = 1; i < 16; ++i) edges.push_back(i * std::exp2(-130.0 - out.exponent));
      continue;
    }
    for (int i = 0; i < 16; ++i) edges.push_back((16 + i) * std::exp2(static_cast<double>(power - 4)));
  }
  const auto bin = [&](float x) -> int64_t {
    const double at = x < 0 ? widths(std::nextafter(-x, 0.f)) : widths(x);
    const auto above = std::upper_bound(edges.begin(), edges.end(), at);
    const int64_t found = at >= 16 ? static_cast<int64_t>(edges.size()) + static_cast<int64_t>(at) - 16
                                   : above - edges.begin() - 1;
    return x < 0 ? -1 - found : found;
  };
  out.first = bin(out.lo);
  out.bins.resize(static_cast<size_t>(bin(out.hi) - out.first + 1));
  for (float x : values)
    if (std::isfinite(x)) ++out.bins[static_cast<size_t>(bin(x) - out.first)];
  return out;
}

enum class Kind { kNormal, kHeavy, kPositive, kFarFromZero, kAnyBits, kFew };
constexpr Kind kKinds[] = {Kind::kNormal,      Kind::kHeavy,   Kind::kPositive,
                           Kind::kFarFromZero, Kind::kAnyBits, Kind::kFew};

std::vector<float> draw(Kind kind, size_t count, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0, 1);
  std::uniform_real_distribution<float> uniform(0, 6);
  std::vector<float> out(count);
  for (float& x : out) {
    switch (kind) {
      case Kind::kNormal:
        x = normal(random);
        break;
      case Kind::kHeavy:
        x = std::exp2(8 * normal(random)) * (random() % 2 ? 1.f : -1.f);
        break;
      case Kind::kPositive:
        x = std::max(0.f, uniform(random) - 3);
        break;
      case Kind::kFarFromZero:
        x = 1000 + uniform(random) / 1000;
        break;
      case Kind::kAnyBits:
        x = std::bit_cast<float>(static_cast<uint32_t>(random()));
        break;
      case Kind::kFew:
        x = static_cast<float>(random() % 3) - 1;
        break;
    }
  }
  return out;
}

// The 16 widths next to zero have 1 + 32 * 16 bins.
TEST(Histogram, CountsByHand) {
  const Seen at_limit = seen(observed("histogram", {0, 1, 1.5f, 2, 4095}));
  EXPECT_EQ(at_limit.exponent, 0);  // 4096 bins of width 1
  EXPECT_EQ(at_limit.first, 0);
  ASSERT_EQ(at_limit.bins.size(), 4096u + 497);
  EXPECT_EQ(at_limit.bins[0], 1);
  EXPECT_EQ(at_limit.bins[513 - 4 * 16], 1);      // 1
  EXPECT_EQ(at_limit.bins[513 - 4 * 16 + 8], 1);  // 1.5
  EXPECT_EQ(at_limit.bins[513 - 3 * 16], 1);      // 2
  EXPECT_EQ(at_limit.bins[4095 + 497], 1);

  const Seen beyond = seen(observed("histogram", {0, 1, 1.5f, 2, 4096}));
  EXPECT_EQ(beyond.exponent, 1);
  ASSERT_EQ(beyond.bins.size(), 2049u + 497);
  EXPECT_EQ(beyond.bins[0], 1);
  EXPECT_EQ(beyond.bins[513 - 5 * 16], 1);
  EXPECT_EQ(beyond.bins[513 - 5 * 16 + 8], 1);
  EXPECT_EQ(beyond.bins[513 - 4 * 16], 1);
  EXPECT_EQ(beyond.bins[2048 + 497], 1);

  const Seen signs = seen(observed("histogram", {-1, -0x1p-13f, 0.5f}));
  EXPECT_EQ(signs.exponent, -11);
  EXPECT_EQ(signs.first, -2048 - 497);
  ASSERT_EQ(signs.bins.size(), 3073u + 2 * 497);
  EXPECT_EQ(signs.bins[0], 1);
  EXPECT_EQ(signs.bins[2545 - (513 - 6 * 16)], 1);  // the mirror image of the bin below that of 2^-13
  EXPECT_EQ(signs.bins[3072 + 2 * 497], 1);
}

TEST(Histogram, BinsAreNoFinerThanTheLargestValue) {
  const Seen near = seen(observed("histogram", {1, std::nextafter(1.f, 2.f), 1}));
  EXPECT_EQ(near.exponent, -23);
  EXPECT_EQ(near.first, (1 << 23) + 497);
  EXPECT_EQ(near.bins, (std::vector<int64_t>{2, 1}));
}

TEST(Histogram, HoldsZerosOfBothSignsAsOne) {
  const Seen zeros = seen(observed("histogram", {-0.f, 0.f, -0.f}));
  EXPECT_EQ(zeros, (Seen{-126, 0, {3}, 0, 0, 3, 0}));
  EXPECT_FALSE(std::signbit(zeros.lo));
  EXPECT_TRUE(same(observed("histogram", {-0.f}), observed("histogram", {0.f})));
}

TEST(Histogram, HoldsTheExtremesOfBinary32) {
  for (const Isa* isa : isas()) {
    if (!supported(*isa)) continue;
    const std::vector<float> values = {-FLT_MAX, -FLT_MIN, -kTiny, 0, kTiny, FLT_MIN, FLT_MAX};
    EXPECT_EQ(seen(observed("histogram", values, isa->name)), expected(values)) << isa->name;
    const std::vector<float> tiny = {-kTiny, 0, kTiny, FLT_MIN / 4};  // bins of 2^-130
    EXPECT_EQ(seen(observed("histogram", tiny, isa->name)),
              (Seen{-126, -1, {1, 2, 0, 0, 0, 1}, -kTiny, FLT_MIN / 4, 4, 0}))
        << isa->name;
    EXPECT_EQ(seen(observed("histogram", {FLT_MAX}, isa->name)), expected({FLT_MAX})) << isa->name;
  }
}

TEST(Histogram, CountsNanAndInfinityWithoutRecordingThem) {
  EXPECT_EQ(seen(observed("histogram", {kNan, 1, kInfinity, -kInfinity, -kNan})),
            (Seen{-23, (1 << 23) + 497, {1}, 1, 1, 1, 4}));
  EXPECT_EQ(seen(observed("histogram", {kNan})), (Seen{-126, 0, {}, kInfinity, -kInfinity, 0, 1}));
  EXPECT_EQ(seen(observed("histogram", {})), (Seen{-126, 0, {}, kInfinity, -kInfinity, 0, 0}));
}

TEST(Histogram, HasTheBinsOfItsDefinitionOnEveryInstructionSet) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (Kind kind : kKinds) {
    for (size_t count : {1u, 2u, 15u, 16u, 17u, 1000u}) {
      const std::vector<float> values = draw(kind, count, random);
      for (const Isa* isa : isas()) {
        if (!supported(*isa)) continue;
        EXPECT_EQ(seen(observed("histogram", values, isa->name)), expected(values))
            << isa->name << " kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST(Histogram, HasTheBinsOfItsDefinitionWhenTheRangeGrowsWithinATensor) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::vector<float> values = draw(Kind::kNormal, 200'000, random);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= std::exp2(static_cast<float>(i / 10'000));
  const int before = thread_count();
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    for (const Isa* isa : isas()) {
      if (!supported(*isa)) continue;
      EXPECT_EQ(seen(observed("histogram", values, isa->name)), expected(values)) << isa->name;
    }
  }
  set_thread_count(before);
}

TEST(Histogram, UsesAtLeast2049EvenBinsForDataThatIsNotCloserThanBinary32) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (Kind kind : {Kind::kNormal, Kind::kHeavy, Kind::kPositive}) {
    const Seen state = seen(observed("histogram", draw(kind, 500, random)));
    const double width = std::exp2(static_cast<double>(state.exponent));
    const double bins = std::floor(state.hi / width) - std::floor(state.lo / width) + 1;
    EXPECT_GE(bins, 2049);
    EXPECT_LE(bins, 4096);
  }
}

// Splits `values` into calls of random length, spread over shards that are merged in random order.
ObserverState in_pieces(const ObserverDef& def, std::vector<float> values, std::mt19937_64& random) {
  std::shuffle(values.begin(), values.end(), random);
  std::vector<ObserverState> shards(1 + random() % 8);
  for (ObserverState& shard : shards) shard = def.init(1);
  for (size_t first = 0; first < values.size();) {
    const size_t end = std::min(values.size(), first + 1 + random() % (values.size() / 4 + 1));
    observe(def, shards[random() % shards.size()],
            {values.begin() + static_cast<long>(first), values.begin() + static_cast<long>(end)});
    first = end;
  }
  while (shards.size() > 1) {
    std::swap(shards[random() % shards.size()], shards.back());
    const ObserverState from = shards.back();
    shards.pop_back();
    def.merge(shards[random() % shards.size()], from);
    for (const ObserverState& shard : shards) def.check(shard);
  }
  return shards[0];
}

TEST(Observer, DependsOnlyOnTheMultisetOfValues) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (std::string_view name : {"histogram", "minmax"}) {
    for (Kind kind : kKinds) {
      for (int round = 0; round < 20; ++round) {
        const std::vector<float> values = draw(kind, 1 + random() % 3000, random);
        EXPECT_TRUE(same(in_pieces(observer(name), values, random), observed(name, values)))
            << name << " kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST(Observer, IsTheSameForEveryNumberOfThreads) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  const std::vector<float> values = draw(Kind::kAnyBits, 300'001, random);
  const int before = thread_count();
  for (std::string_view name : {"histogram", "minmax"}) {
    set_thread_count(1);
    const ObserverState alone = observed(name, values);
    for (int threads : {2, 3, 4}) {
      set_thread_count(threads);
      EXPECT_TRUE(same(observed(name, values), alone)) << name << ' ' << threads;
    }
  }
  set_thread_count(before);
}

TEST(Observer, LeavesCopiesOfItsStateAlone) {
  for (const ObserverDef* def : observers()) {
    ObserverState state = def->init(1);
    observe(*def, state, {1});
    const ObserverState copy = state;
    observe(*def, state, {1, 1});
    EXPECT_EQ(def->count(copy), 1) << def->name;
    ObserverState merged = copy;
    def->merge(merged, copy);
    EXPECT_EQ(def->count(copy), 1) << def->name;
    EXPECT_EQ(def->count(merged), 2) << def->name;
  }
}

TEST(Observer, AllocatesNoNewBinsInsideTheRangeSeen) {
  ObserverState state = observed("histogram", {-1, 1});
  const std::byte* bins = state[2].data.get();
  observe(observer("histogram"), state, {0.5f, -0.5f, 0});
  EXPECT_EQ(state[2].data.get(), bins);
}

TEST(Observer, AnEmptyRecordIsNeutralInMerging) {
  for (const ObserverDef* def : observers()) {
    ObserverState state = def->init(1);
    observe(*def, state, {-2, kNan, 3});
    ObserverState left = state, right = def->init(1);
    def->merge(left, def->init(1));
    def->merge(right, state);
    EXPECT_TRUE(same(left, state)) << def->name;
    EXPECT_TRUE(same(right, state)) << def->name;
  }
}

TEST(Observer, GivesTheRangeSeenForMethodMinmax) {
  for (const ObserverDef* def : observers()) {
    ObserverState state = def->init(1);
    observe(*def, state, {-2, kNan, 3, 0.5f});
    Observation observation;
    observation.observer = def->name;
    observation.method = "minmax";
    const std::vector<Range> ranges = def->finish(state, observation);
    ASSERT_EQ(ranges.size(), 1u);
    EXPECT_EQ(ranges[0].lo, -2);
    EXPECT_EQ(ranges[0].hi, 3);
    EXPECT_EQ(def->count(state), 3);
    EXPECT_EQ(def->non_finite(state), 1);
  }
}

TEST(Observer, EveryMethodGivesAPartOfTheRange) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (Kind kind : kKinds) {
    for (QScheme scheme : {QScheme::kPerTensorAffine, QScheme::kPerTensorSymmetric}) {
      const ObserverState state = observed("histogram", draw(kind, 5000, random));
      for (std::string_view method : observer("histogram").methods) {
        Observation observation;
        observation.spec.scheme = scheme;
        observation.observer = "histogram";
        observation.method = method;
        const Range range = observer("histogram").finish(state, observation)[0];
        EXPECT_LE(seen(state).lo, range.lo) << method;
        EXPECT_LE(range.lo, range.hi) << method;
        EXPECT_LE(range.hi, seen(state).hi) << method;
      }
    }
  }
}

TEST(Observer, TellsHowManyValuesAreOutsideARange) {
  const auto outside = observer("histogram").outside;
  const ObserverState state = observed("histogram", {-2, -1, 0, 0.5f, 1, 3, kNan});
  EXPECT_EQ(outside(state, {-2, 3}), 0);
  EXPECT_EQ(outside(state, {-1, 1}), 2);
  EXPECT_EQ(outside(state, {-0.5f, 0.75f}), 4);
  EXPECT_EQ(outside(state, {0.25f, 0.25f}), 6);
  EXPECT_EQ(outside(observed("histogram", {}), {-1, 1}), 0);
  for (std::string_view name : {"minmax", "per_channel_minmax"})
    EXPECT_EQ(observer(name).outside, nullptr) << name;
}

TEST(Observer, CountsNoValueInsideARangeAsOutside) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (Kind kind : kKinds) {
    const std::vector<float> values = draw(kind, 3000, random);
    const ObserverState state = observed("histogram", values);
    for (int round = 0; round < 20; ++round) {
      Range range = {values[random() % 3000], values[random() % 3000]};
      if (!std::isfinite(range.lo) || !std::isfinite(range.hi)) continue;
      if (range.lo > range.hi) std::swap(range.lo, range.hi);
      const int64_t wanted = std::count_if(values.begin(), values.end(), [&](float x) {
        return std::isfinite(x) && (x < range.lo || x > range.hi);
      });
      EXPECT_LE(observer("histogram").outside(state, range), wanted) << static_cast<int>(kind);
    }
  }
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Observer, RefusesAMethodItDoesNotOffer) {
  Observation observation;
  observation.observer = "minmax";
  observation.method = "mse";
  EXPECT_EQ(error_of([&] { observer("minmax").finish(observed("minmax", {1}), observation); }),
            "observer minmax has no method mse, wanted minmax");
  observation.observer = "histogram";
  observation.method = "percentile";
  observation.percentile = kNan;
  EXPECT_EQ(error_of([&] { observer("histogram").finish(observed("histogram", {1}), observation); }),
            "percentile nan, wanted more than 0, at most 100");
}

TEST(Observer, RefusesValuesThatAreNotF32) {
  for (const ObserverDef* def : observers()) {
    ObserverState state = def->init(1);
    EXPECT_EQ(error_of([&] {
                def->update(state, make_tensor(DType::kU8, {1}).view(), 0, *kernels_up_to("generic"));
              }),
              "values to observe are u8, wanted f32");
  }
}

TEST(PerChannelMinmax, SeesTheRangeOfEachChannelAlongAnyAxis) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  const Shape shape = {3, 4, 5};
  const std::vector<float> values = draw(Kind::kNormal, 60, random);
  const int64_t strides[] = {20, 5, 1};
  const ObserverDef& def = observer("per_channel_minmax");
  for (int axis = 0; axis < 3; ++axis) {
    ObserverState state = def.init(shape[axis]);
    def.update(state, {DType::kF32, shape, view_of(values).data, nullptr}, axis, *kernels_up_to("generic"));
    def.check(state);
    std::vector<Range> wanted(static_cast<size_t>(shape[axis]), {kInfinity, -kInfinity});
    for (int64_t i = 0; i < 60; ++i) {
      Range& range = wanted[static_cast<size_t>(i / strides[axis] % shape[axis])];
      range = {std::min(range.lo, values[static_cast<size_t>(i)]),
               std::max(range.hi, values[static_cast<size_t>(i)])};
    }
    Observation observation;
    observation.method = "minmax";
    const std::vector<Range> ranges = def.finish(state, observation);
    ASSERT_EQ(ranges.size(), wanted.size());
    for (size_t c = 0; c < wanted.size(); ++c) {
      EXPECT_EQ(ranges[c].lo, wanted[c].lo);
      EXPECT_EQ(ranges[c].hi, wanted[c].hi);
    }
    EXPECT_EQ(def.count(state), 60);
  }
}

TEST(PerChannelMinmax, RefusesAnotherNumberOfChannels) {
  const ObserverDef& def = observer("per_channel_minmax");
  ObserverState state = def.init(3);
  EXPECT_EQ(error_of([&] {
              def.update(state, make_tensor(DType::kF32, {2, 3}).view(), 0, *kernels_up_to("generic"));
            }),
            "values of shape [2,3], wanted 3 channels along axis 0");
  EXPECT_EQ(error_of([&] { def.merge(state, def.init(2)); }), "a record of 2 channels, wanted 3");
}

// A state with a change that check must refuse, and what it says.
struct Damage {
  std::string_view observer;
  void (*apply)(ObserverState&);
  std::string message;
};

const Damage kDamages[] = {
    {"minmax", [](ObserverState& s) { s.pop_back(); }, "1 tensors, wanted 2"},
    {"minmax", [](ObserverState& s) { s[0] = make_tensor(DType::kF32, {3}); },
     "range is f32 [3], wanted f32 [2]"},
    {"minmax", [](ObserverState& s) { s[1] = make_tensor(DType::kF32, {2}); },
     "counts is f32 [2], wanted i64 [2]"},
    {"minmax", [](ObserverState& s) { s[1].as<int64_t>()[0] = -1; },
     "counts are -1 and 0, wanted numbers of values"},
    {"minmax", [](ObserverState& s) { s[1].as<int64_t>()[0] = s[1].as<int64_t>()[1] = INT64_MAX; },
     "counts are 9223372036854775807 and 9223372036854775807, wanted numbers of values"},
    {"minmax", [](ObserverState& s) { s[0].as<float>()[0] = 4; },
     "range is 4 to 3, wanted finite, in order and without a negative zero"},
    {"minmax", [](ObserverState& s) { s[0].as<float>()[0] = kNan; },
     "range is nan to 3, wanted finite, in order and without a negative zero"},
    {"minmax", [](ObserverState& s) { s[0].as<float>()[0] = -0.f; },
     "range is -0 to 3, wanted finite, in order and without a negative zero"},
    {"minmax", [](ObserverState& s) { s[1].as<int64_t>()[0] = 1; }, "range and counts contradict each other"},
    {"minmax", [](ObserverState& s) { s[0].as<float>()[0] = kInfinity, s[0].as<float>()[1] = -kInfinity; },
     "range and counts contradict each other"},
    {"per_channel_minmax",
     [](ObserverState& s) {
       s[0] = make_tensor(DType::kF32, {1, 1});
     },
     "lo is f32 [1,1], wanted f32 [1]"},
    {"per_channel_minmax", [](ObserverState& s) { s[0] = make_tensor(DType::kF32, Shape{}); },
     "lo is f32 [], wanted f32 [0]"},
    {"per_channel_minmax", [](ObserverState& s) { s[1] = make_tensor(DType::kF32, {2}); },
     "hi is f32 [2], wanted f32 [1]"},
    {"per_channel_minmax", [](ObserverState& s) { s[1].as<float>()[0] = kInfinity; },
     "range is -2 to inf, wanted finite, in order and without a negative zero"},
    {"per_channel_minmax", [](ObserverState& s) { s[2].as<int64_t>()[0] = 0; },
     "ranges and counts contradict each other"},
    {"histogram", [](ObserverState& s) { s[0].as<int64_t>()[0] = -10; },
     "bins of exponent -10 from -1521, wanted -9 from -1521 for the range -2 to 3"},
    {"histogram", [](ObserverState& s) { s[1].as<int64_t>()[0] = 0; },
     "bins of exponent -9 from 0, wanted -9 from -1521 for the range -2 to 3"},
    {"histogram", [](ObserverState& s) { s[2] = make_tensor(DType::kI64, {7}); },
     "bins is i64 [7], wanted i64 [3555]"},
    {"histogram", [](ObserverState& s) { s[2].as<int64_t>()[5] = -1; },
     "bin 5 counts -1, wanted a number of values"},
    {"histogram", [](ObserverState& s) { s[2].as<int64_t>()[5] = 1; }, "the bins hold 4 values, wanted 3"},
    {"histogram", [](ObserverState& s) { std::swap(s[2].as<int64_t>()[0], s[2].as<int64_t>()[1]); },
     "the first or last bin is empty, wanted the smallest and largest value there"},
    {"histogram", [](ObserverState& s) { s[3].as<float>()[1] = kNan; },
     "range is -2 to nan, wanted finite, in order and without a negative zero"},
    {"histogram", [](ObserverState& s) { s[3].as<float>()[0] = 0; }, "bins is i64 [3555], wanted i64 [3570]"},
};

TEST(Observer, RefusesADamagedState) {
  for (const Damage& damage : kDamages) {
    const ObserverDef& def = observer(damage.observer);
    ObserverState state = def.init(1);
    observe(def, state, {-2, 0, 3});
    damage.apply(state);
    EXPECT_EQ(error_of([&] { def.check(state); }), damage.message) << damage.observer;
    ObserverState into = def.init(1);
    EXPECT_EQ(error_of([&] { def.merge(into, state); }), damage.message) << damage.observer;
  }
}

TEST(Observer, RefusesToCountBeyond63Bits) {
  for (const ObserverDef* def : observers()) {
    ObserverState state = def->init(1);
    observe(*def, state, {kNan});
    state.back().as<int64_t>()[1] = INT64_MAX;
    def->check(state);
    EXPECT_EQ(error_of([&] { observe(*def, state, {1}); }), "more values than can be counted") << def->name;
    EXPECT_EQ(error_of([&] { def->merge(state, state); }), "more values than can be counted") << def->name;
  }
}

Stats stats_of(const std::map<std::string, std::vector<float>>& values, std::string_view name,
               int64_t samples) {
  Stats stats;
  stats.samples = samples;
  for (const auto& [value, seen_values] : values)
    stats.entries[value] = {std::string(name), observed(name, seen_values)};
  return stats;
}

TEST(Stats, MergeValueByValue) {
  Stats into = stats_of({{"a", {1, 2}}, {"b", {0}}}, "histogram", 3);
  const Stats from = stats_of({{"a", {-5}}, {"c", {7}}}, "histogram", 4);
  merge(into, from);
  EXPECT_EQ(into.samples, 7);
  ASSERT_EQ(into.entries.size(), 3u);
  EXPECT_TRUE(same(into.entries.at("a").state, observed("histogram", {1, 2, -5})));
  EXPECT_TRUE(same(into.entries.at("c").state, observed("histogram", {7})));
  EXPECT_TRUE(same(from.entries.at("a").state, observed("histogram", {-5})));
}

TEST(Stats, RefuseToMergeRecordsOfDifferentObservers) {
  Stats into = stats_of({{"a", {1}}}, "histogram", 1);
  EXPECT_EQ(error_of([&] {
              merge(into, stats_of({{"a", {1}}}, "minmax", 1));
            }),
            "/stats/a: recorded by minmax, wanted histogram as before");
  Stats many = stats_of({}, "minmax", INT64_MAX);
  EXPECT_EQ(error_of([&] { merge(many, stats_of({}, "minmax", 1)); }), "more samples than can be counted");
}

}  // namespace
}  // namespace q
