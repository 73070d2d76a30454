// Normalization form C on the cases that The Unicode Standard, annex 15, names.
#include "lib/text/nfc.h"

#include <string>

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Nfc, ComposesWhatBelongsTogether) {
  EXPECT_EQ(nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(nfc("s\u0323\u0307"), "\u1e69");
  EXPECT_EQ(nfc("s\u0307\u0323"), "\u1e69");  // marks in the order of their classes
  EXPECT_EQ(nfc("\u1e9b\u0323"), "\u1e9b\u0323");
}

TEST(Nfc, ReplacesSingletonsAndKeepsWhatIsExcluded) {
  EXPECT_EQ(nfc("\u212b\u2126\u212a"), "\u00c5\u03a9K");
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c");
  EXPECT_EQ(nfc("\ufb01\u2460"), "\ufb01\u2460");  // compatibility only
}

TEST(Nfc, ComposesHangulByArithmetic) {
  EXPECT_EQ(nfc("\u1100\u1161"), "\uac00");
  EXPECT_EQ(nfc("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(nfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(nfc("\uac01\u11a8"), "\uac01\u11a8");
}

TEST(Nfc, IsBlockedByAMarkOfTheSameClass) {
  EXPECT_EQ(nfc("a\u0305\u0301"), "a\u0305\u0301");
  EXPECT_EQ(nfc("a\u0327\u0301"), "\u00e1\u0327");
  EXPECT_EQ(nfc("\u0301a"), "\u0301a");
}

TEST(Nfc, LeavesAlmostEveryTextAlone) {
  EXPECT_EQ(nfc(""), "");
  EXPECT_EQ(nfc("x = \"\u00fc\u4e00\U0001F600\"\n"), "x = \"\u00fc\u4e00\U0001F600\"\n");
}

TEST(Nfc, HoldsNoMarkBackHoweverManyThereAre) {
  std::string marks = "a";
  for (int i = 0; i < 10'000; ++i) marks += i % 2 == 0 ? "\u0323" : "\u0305";
  EXPECT_EQ(nfc(marks).substr(0, 5), "\u1ea1\u0323");  // the first one joins the a
  EXPECT_EQ(nfc(marks).size(), marks.size());
}

}  // namespace
}  // namespace r1
