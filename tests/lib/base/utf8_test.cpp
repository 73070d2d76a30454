#include "lib/base/utf8.h"

#include <gtest/gtest.h>

#include "lib/base/random.h"

namespace r1 {
namespace {

TEST(Utf8, EveryCodePointSurvivesTheRoundTrip) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Step step = next_utf8(text);
    ASSERT_TRUE(step.valid && step.code_point == c && step.bytes == text.size())
        << static_cast<std::uint32_t>(c);
  }
}

TEST(Utf8, OverlongSurrogateAndTooLargeFormsAreRefused) {
  for (const char* bad :
       {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80", "\xFF"})
    EXPECT_FALSE(is_utf8(bad));
  EXPECT_FALSE(is_utf8("\xE2\x82"));
}

TEST(Utf8, AStreamHoldsBackUnfinishedCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xE2"), "a");
  EXPECT_EQ(stream.push("\x82"), "");
  EXPECT_EQ(stream.push("\xAC!"), "€!");
  EXPECT_EQ(stream.push("\xF0\x9F"), "");
  EXPECT_EQ(stream.finish(), "\uFFFD\uFFFD");
}

TEST(Utf8, HowAStreamIsCutDoesNotMatter) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    std::string bytes;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const std::uint64_t bits = random_bits(seed, 1, i);
      if (bits % 3 == 0)
        bytes += static_cast<char>(bits >> 8);
      else
        append_utf8(bytes, static_cast<char32_t>((bits >> 8) % 0xD800));
    }
    Utf8Stream whole, cut;
    std::string want = whole.push(bytes);
    want += whole.finish();
    std::string have;
    for (std::size_t i = 0; i < bytes.size();) {
      const std::size_t n = 1 + random_bits(seed, 2, i) % 5;
      have += cut.push(std::string_view(bytes).substr(i, n));
      i += n;
    }
    have += cut.finish();
    ASSERT_EQ(have, want) << seed;
    ASSERT_TRUE(is_utf8(have)) << seed;
  }
}

TEST(Harmless, IsATextThatNoTerminalObeys) {
  EXPECT_EQ(harmless("a\tb\nc\x1b[0m"), "a\tb\nc\\x1b[0m");
  EXPECT_EQ(harmless("\u202ex\u0085"), "\\u202ex\\u0085");
  EXPECT_EQ(harmless("é\xE9"), "é\uFFFD");
  EXPECT_EQ(harmless(std::string_view("\0", 1)), "\\x00");
}

}  // namespace
}  // namespace r1
