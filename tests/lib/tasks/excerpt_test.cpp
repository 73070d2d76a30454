#include "lib/tasks/excerpt.h"

#include <gtest/gtest.h>

#include "tests/support/byte_tokenizer.h"

namespace r1 {
namespace {

const test::ByteTokenizer kBytes({});  // a token is a byte

// `before|behind` of the excerpt.
std::string around(std::string_view before, std::string_view behind, std::int64_t room) {
  const Excerpt e = around_caret(kBytes, before, behind, room);
  return std::string(e.before).append("|").append(e.behind);
}

TEST(Excerpt, WhatFitsStaysWhole) {
  EXPECT_EQ(around("ab\ncd", "ef\ngh", 10), "ab\ncd|ef\ngh");
  EXPECT_EQ(around("", "", 0), "|");
}

TEST(Excerpt, LinesFarFromTheCaretGoFirst) {
  EXPECT_EQ(around("one\ntwo\nthr", "", 8), "two\nthr|");
  EXPECT_EQ(around("one\ntwo\nthr", "", 6), "thr|");
  EXPECT_EQ(around("", "one\ntwo\nthree", 10), "|one\ntwo");
}

TEST(Excerpt, ALineAloneIsCutWhereItMust) {
  EXPECT_EQ(around("abcdef", "", 4), "cdef|");
  EXPECT_EQ(around("abcdef\n", "", 4), "def\n|");
  EXPECT_EQ(around("", "abcdef", 4), "|abcd");
}

TEST(Excerpt, AQuarterIsForWhatStandsBehindAndMoreWhereThereIsLittleBefore) {
  EXPECT_EQ(around("abcdefghij", "klmnopqrst", 8), "efghij|kl");
  EXPECT_EQ(around("ab", "klmnopqrst", 8), "ab|klmnop");
  EXPECT_EQ(around("abcdefghij", "k", 8), "defghij|k");
}

TEST(Excerpt, NoCharacterIsCut) {
  EXPECT_EQ(around("äöü", "", 3), "ü|");
  EXPECT_EQ(around("", "äöü", 3), "|ä");
  EXPECT_EQ(around("", std::string(100, '\x80'), 8), "|");  // it is none, and none begins
}

}  // namespace
}  // namespace r1
