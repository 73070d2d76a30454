#include "lib/train/fim_cut.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "lib/base/utf8.h"

namespace r1 {
namespace {

TEST(CutGap, TwoTimesInFiveReachesFromInsideALineToItsEnd) {
  std::string text;
  for (int line = 0; line < 100; ++line) text += std::string(99, 'x') + "\n";
  constexpr int kCuts = 2000;
  int in_line = 0;
  for (std::uint64_t i = 0; i < kCuts; ++i) {
    const GappedText gap = cut_gap(text, 7, i);
    EXPECT_EQ(std::string(gap.prefix) + std::string(gap.middle) + std::string(gap.suffix), text);
    in_line += gap.suffix.starts_with('\n') && gap.middle.find('\n') == std::string_view::npos;
  }
  EXPECT_LE(std::abs(in_line - 0.4 * kCuts), 4 * std::sqrt(kCuts * 0.4 * 0.6));
}

TEST(CutGap, CutsNoCharacter) {
  const std::string text = "é€\U0001F600\né";
  for (std::uint64_t i = 0; i < 200; ++i) {
    const GappedText gap = cut_gap(text, 0, i);
    for (const std::string_view part : {gap.prefix, gap.middle, gap.suffix})
      EXPECT_TRUE(is_utf8(part)) << part;
  }
}

TEST(CutGap, TakesBytesThatAreNoText) {
  const std::string bytes(10, '\x80');
  for (std::uint64_t i = 0; i < 50; ++i) {
    const GappedText gap = cut_gap(bytes, 0, i);
    EXPECT_EQ(gap.prefix.size() + gap.middle.size() + gap.suffix.size(), bytes.size());
  }
  EXPECT_EQ(cut_gap("", 0, 0).middle, "");
}

TEST(CutGap, DependsOnSeedAndNumberAlone) {
  const std::string text(1000, 'x');
  const std::size_t first = cut_gap(text, 3, 5).prefix.size();
  cut_gap(text, 3, 6);
  EXPECT_EQ(cut_gap(text, 3, 5).prefix.size(), first);
  EXPECT_NE(cut_gap(text, 4, 5).prefix.size(), first);
  EXPECT_NE(cut_gap(text, 3, 6).prefix.size(), first);
}

}  // namespace
}  // namespace r1
