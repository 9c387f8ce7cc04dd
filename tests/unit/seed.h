// The seed of a random test. Print it where the test fails: SCOPED_TRACE(testing::Message() << "Q_TEST_SEED="
// << seed);
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

// $Q_TEST_SEED, which repeats a failure; another one each time without it.
inline uint64_t test_seed() {
  const char* given = std::getenv("Q_TEST_SEED");
  return given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}
