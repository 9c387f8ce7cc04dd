// Sizes as words, and the limit on what a process takes.
#include "base/memory.h"

#include <gtest/gtest.h>

#include <string>

namespace q {
namespace {

TEST(Memory, SizesAreInPowersOf1024) {
  EXPECT_EQ(parse_memory("1"), 1u);
  EXPECT_EQ(parse_memory("3k"), 3u << 10);
  EXPECT_EQ(parse_memory("3K"), 3u << 10);
  EXPECT_EQ(parse_memory("500M"), 500u << 20);
  EXPECT_EQ(parse_memory("8G"), uint64_t{8} << 30);
  EXPECT_EQ(parse_memory("2T"), uint64_t{2} << 40);
  for (const std::string words :
       {"", "G", "0", "-1", "1.5G", "4GB", "4 G", "17179869184G", "99999999999999999999"})
    EXPECT_THROW(parse_memory(words), Error) << words;
}

TEST(Memory, IsSaidInTheUnitThatFits) {
  EXPECT_EQ(memory_words(1023), "1023 bytes");
  EXPECT_EQ(memory_words(1536), "1.5 KiB");
  EXPECT_EQ(memory_words(uint64_t{4} << 30), "4.0 GiB");
}

TEST(Memory, TheUsualLimitIsAPartOfTheMachine) {
  EXPECT_GT(usual_memory_limit(), uint64_t{16} << 20);
  EXPECT_LE(usual_memory_limit(), uint64_t{4} << 30);
}

}  // namespace
}  // namespace q
