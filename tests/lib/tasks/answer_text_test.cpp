#include "lib/tasks/answer_text.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

std::string block(std::string_view prefix, std::string_view answer,
                  Thoughts thoughts = Thoughts::none) {
  AnswerText text(rules_after({.at_block_end = true}, prefix), thoughts);
  text.push(answer);
  text.finish();
  return text.text();
}

TEST(AnswerText, OfABlockIsTheSameWhereverTheCaretStandsInItsFirstLine) {
  const std::string body = "    if n <= 1:\n        return 1\n    return n", more = "\n\nx = 1\n";
  EXPECT_EQ(block("def f(n):", "\n" + body + more), "\n" + body);
  EXPECT_EQ(block("def f(n):\n", body + more), body);
  EXPECT_EQ(block("def f(n):\n    \"\"\"A number.\"\"\"\n", body + more), body);
  EXPECT_EQ(block("def f(n):\r\n", body + more), body);
  EXPECT_EQ(block("def f(n):\n    ", body.substr(4) + more), body.substr(4));
  EXPECT_EQ(block("def f(n):\n    if", body.substr(6) + more), body.substr(6));
}

TEST(AnswerText, OfAnInnerBlockEndsBeforeTheOuterOne) {
  EXPECT_EQ(block("def f(x):\n    if x:\n", "        return 1\n    return f(x)\n"),
            "        return 1");
  EXPECT_EQ(block("def f(x):\n    if x:", "\n        return 1\n    return f(x)\n"),
            "\n        return 1");
}

TEST(AnswerText, OfAChatBeginsALineBehindItsReasoningToo) {
  EXPECT_EQ(block("", "  a\n  b\nc"), "  a\n  b");
  EXPECT_EQ(block("", "Hm.\nHm.\n</think>\n\n  a\n  b\nc", Thoughts::open), "  a\n  b");
}

// Byte by byte: {text, reasoning}.
std::pair<std::string, std::string> parts(std::string_view answer, Thoughts thoughts) {
  AnswerText text({}, thoughts);
  for (const char c : answer) text.push({&c, 1});
  text.finish();
  return {text.text(), text.reasoning()};
}

TEST(AnswerText, BeginsWithReasoningOnlyWhereItSaysSo) {
  using Parts = std::pair<std::string, std::string>;
  EXPECT_EQ(parts("4", Thoughts::may), Parts("4", ""));
  EXPECT_EQ(parts("\n <b> </think>", Thoughts::may), Parts("\n <b> </think>", ""));
  EXPECT_EQ(parts("\n<think>\n2+2\n</think>\n\n4", Thoughts::may), Parts("4", "2+2\n"));
  EXPECT_EQ(parts("2+2\n</think>\n\n4", Thoughts::open), Parts("4", "2+2\n"));
  EXPECT_EQ(parts("2+2", Thoughts::open), Parts("", "2+2"));
  EXPECT_EQ(parts("<thi", Thoughts::may), Parts("<thi", ""));
  EXPECT_EQ(parts("", Thoughts::may), Parts("", ""));
}

}  // namespace
}  // namespace r1
