// What messages and text outputs make of bytes that come from files.
#include "base/text.h"

#include <gtest/gtest.h>

namespace q {
namespace {

TEST(Printable, LeavesPlainTextAndUtf8AsTheyAre) {
  for (const std::string each :
       {"", "model.h5: /graph/conv1: weight is [3,4]", "Größe ≥ 1, 数, 🙂", "~ \\ ' \""})
    EXPECT_EQ(printable(each), each);
}

TEST(Printable, ShowsTheBytesOfControlCharacters) {
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("a\nb\tc\x1b[31m\x7f"), "a\\x0ab\\x09c\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");  // a control sequence of one character
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b"),
            "a\\xe2\\x80\\xaeb");  // text from right to left
  EXPECT_EQ(printable("a\xe2\x80\xa8"
                      "b"),
            "a\\xe2\\x80\\xa8b");  // a line separator
}

TEST(Printable, ShowsTheBytesOfWhatIsNoUtf8) {
  EXPECT_EQ(printable("a\xff"
                      "b"),
            "a\\xffb");
  EXPECT_EQ(printable("\xc3"), "\\xc3");           // cut off
  EXPECT_EQ(printable("\xc3("), "\\xc3(");         // not continued
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");  // longer than needed
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // half of a pair of UTF-16
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond the last
}

TEST(Printable, LeavesOutTheMiddleOfALongText) {
  const std::string longest(500, 'a');
  EXPECT_EQ(printable(longest), longest);
  const std::string cut = printable("begin" + std::string(1000000, 'a') + "end");
  EXPECT_EQ(cut.size(), 500u);
  EXPECT_TRUE(cut.starts_with("begina") && cut.ends_with("aend"));
  EXPECT_NE(cut.find("a...a"), std::string::npos);
  for (size_t shift = 0; shift < 4; ++shift) {  // no character is cut
    std::string smiles(shift, 'a');
    for (int i = 0; i < 200; ++i) smiles += "🙂";
    const std::string once = printable(smiles);
    EXPECT_LE(once.size(), 500u);
    EXPECT_EQ(once.find("\\x"), std::string::npos);
    EXPECT_EQ(printable(once), once);
  }
}

TEST(Printable, IsWhatEveryErrorSays) {
  const std::string name("a\0\x1b", 3);
  EXPECT_STREQ(Error(ErrorKind::kInvalid, text("file: ", name, ": wanted\n")).what(),
               "file: a\\x00\\x1b: wanted\\x0a");
}

TEST(PrintablePattern, MatchesTheTextThatItStandsFor) {
  for (const std::string& each :
       {std::string("conv\x1b[1m"), std::string("a\0b\xff", 4), std::string("Größe")}) {
    EXPECT_TRUE(matches(printable_pattern(each), each));
    EXPECT_EQ(printable(printable_pattern(each)), printable_pattern(each));
  }
}

}  // namespace
}  // namespace q
