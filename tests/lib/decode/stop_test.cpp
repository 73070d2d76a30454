#include "lib/decode/stop.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"

namespace r1 {
namespace {

// The same rules over the whole text at once.
std::size_t naive_end(const std::string& text, const StopRules& rules) {
  std::size_t best = text.size(), best_last = text.size();
  for (const std::string& s : rules.strings) {
    const std::size_t at = text.find(s);
    if (s.empty() || at == std::string::npos) continue;
    // The one that is complete first; of those that end at one byte, the first in the list.
    if (at + s.size() - 1 < best_last) best_last = at + s.size() - 1, best = at;
  }
  if (rules.at_line_end) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const std::size_t newline = first == std::string::npos ? first : text.find('\n', first);
    if (newline < best_last) best = newline;
  }
  return best;
}

std::string whole(const std::string& text, const StopRules& rules) {
  StopWatcher watcher(rules);
  std::string out = watcher.push(text);
  return out + watcher.finish();
}

// Up to 12 bytes at a time, by seed.
std::string in_pieces(const std::string& text, const StopRules& rules, std::uint64_t seed) {
  StopWatcher watcher(rules);
  std::string out;
  for (std::size_t at = 0, i = 0; at < text.size() && !watcher.stopped(); ++i) {
    const std::size_t n = std::min(text.size() - at, std::size_t{random_bits(seed, 1, i) % 13});
    out += watcher.push(std::string_view(text).substr(at, n));
    at += n;
  }
  return out + watcher.finish();
}

std::string random_text(std::uint64_t seed, std::size_t n, std::string_view letters) {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) text += letters[random_bits(seed, 0, i) % letters.size()];
  return text;
}

TEST(Stop, TheTextEndsBeforeTheFirstStopStringHoweverItIsCut) {
  const std::vector<std::vector<std::string>> lists = {{"ab"},   {"aab", "b"}, {"abab", "ba"},
                                                       {"aaaa"}, {"", "abb"},  {"bab", "ab"}};
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const StopRules rules{.strings = lists[seed % lists.size()], .at_line_end = seed % 5 == 0};
    const std::string text = random_text(seed, seed % 40, "aab \n");
    const std::string want = text.substr(0, naive_end(text, rules));
    ASSERT_EQ(in_pieces(text, rules, seed), want) << "seed " << seed;
    ASSERT_EQ(whole(text, rules), want) << "seed " << seed;
  }
}

TEST(Stop, OnlyWhatMayBecomeAStopStringIsHeldBack) {
  StopWatcher watcher({.strings = {"</code>"}});
  EXPECT_EQ(watcher.push("x < y </co"), "x < y ");
  EXPECT_EQ(watcher.push("st"), "</cost");
  EXPECT_EQ(watcher.push(" <"), " ");
  EXPECT_EQ(watcher.push("/code> more"), "");
  EXPECT_TRUE(watcher.stopped());
  EXPECT_EQ(watcher.push("more"), "");
  EXPECT_EQ(watcher.finish(), "");
}

TEST(Stop, WhatWasHeldBackComesOutWhenTheAnswerEnds) {
  StopWatcher watcher({.strings = {"END"}});
  EXPECT_EQ(watcher.push("the EN"), "the ");
  EXPECT_EQ(watcher.finish(), "EN");
  EXPECT_FALSE(watcher.stopped());
}

TEST(Stop, ALineEndCountsOnlyAfterText) {
  const StopRules rules{.at_line_end = true};
  EXPECT_EQ(whole("\n  \n  return x\ny = 2\n", rules), "\n  \n  return x");
  EXPECT_EQ(whole("\n\n", rules), "\n\n");
  EXPECT_EQ(whole("\r\n  x\r\ny", rules), "\r\n  x");
  EXPECT_EQ(in_pieces("x\r y\r\n", rules, 1), "x\r y");
  EXPECT_EQ(whole("x\r", rules), "x\r");  // the answer ended by itself
}

TEST(Stop, ABlockEndsBeforeTheFirstLineIndentedLess) {
  const StopRules rules{.at_block_end = true, .block_indent = 4};
  const std::string body = "x = 1\n\n    if x:\n        y = 2\n    return y";
  EXPECT_EQ(whole(body + "\n\ndef g():\n", rules), body);
  EXPECT_EQ(whole(body + "\n  # out\n", rules), body);
  EXPECT_EQ(whole(body + "\n", rules), body + "\n");  // the answer ended by itself
}

TEST(Stop, TheFirstWholeLineSaysHowDeepABlockIsWhenNobodyElseDoes) {
  const StopRules rules{.at_block_end = true};
  EXPECT_EQ(whole("\n    a = 1\n    b = 2\nc = 3", rules), "\n    a = 1\n    b = 2");
  EXPECT_EQ(whole(" x\n\ty\nz", rules), " x\n\ty");
}

TEST(Stop, AnAnswerThatBeginsALineHasItsFirstLineMeasured) {
  const StopRules rules{.at_line_start = true, .at_block_end = true};
  const std::string body = "    if n <= 1:\n        return 1\n    return n";
  for (const std::string before : {"", "\n", "  \n\n"})
    EXPECT_EQ(whole(before + body + "\n\ndef g():\n", rules), before + body);
  EXPECT_EQ(whole("\treturn x\n", rules), "\treturn x\n");
  EXPECT_EQ(whole("x = 1\ny = 2\n", rules), "x = 1\ny = 2\n");
}

TEST(Stop, ABlockEndsAtTheSameByteHoweverItIsCut) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const StopRules rules{.strings = {"zz"},
                          .at_line_start = seed % 8 < 4,
                          .at_block_end = true,
                          .block_indent = static_cast<int>(seed % 4) - 1};
    const std::string text = random_text(seed, 60, "  \n xz");
    ASSERT_EQ(in_pieces(text, rules, seed), whole(text, rules)) << "seed " << seed;
  }
}

TEST(Stop, WithoutRulesEveryByteComesOutAtOnce) {
  StopWatcher watcher({});
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    EXPECT_EQ(watcher.push(one), one);
  }
  EXPECT_FALSE(watcher.stopped());
}

}  // namespace
}  // namespace r1
