#include "lib/tasks/answer_text.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

std::string block(std::string_view prefix, std::string_view answer, bool thinks = false) {
  AnswerText text(rules_after({.at_block_end = true}, prefix), thinks);
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
  EXPECT_EQ(block("", "Hm.\nHm.\n</think>\n\n  a\n  b\nc", true), "  a\n  b");
}

}  // namespace
}  // namespace r1
