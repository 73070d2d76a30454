#include "lib/tasks/healing.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/tiny_vocabulary.h"

namespace r1 {
namespace {

// As most byte-level vocabularies: a word takes the space before it, indentation keeps the rest.
std::unique_ptr<Tokenizer> words() {
  test::TinyBpe bpe;
  bpe.merges = {{"Ġ", "n"}, {"Ġn", "u"}, {"u", "m"}, {"Ġnu", "m"}, {"a", "s"}, {"as", "s"},
                {"E", "q"}, {"Eq", "u"}, {"Ġ", "x"}, {"Ġ", "Ġ"},   {"(", "\""}};
  bpe.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true})";
  return bpe.make();
}

// What is taken back; the rest of the text stays.
std::string owed(const Tokenizer& tokenizer, const std::string& text) {
  const Healed healed = heal(tokenizer, text);
  EXPECT_EQ(text.substr(0, healed.kept) + healed.owed, text);
  return healed.owed;
}

std::set<std::string> allowed(const Tokenizer& tokenizer, const std::string& owed) {
  std::set<std::string> out;
  for (const TokenId id : ids_that_agree(tokenizer, owed)) out.emplace(tokenizer.bytes(id));
  return out;
}

TEST(Healing, AWordIsTakenBackToWhereTheTokenizerBeginsIt) {
  const auto t = words();
  EXPECT_EQ(owed(*t, "import nu"), " nu");   // one token
  EXPECT_EQ(owed(*t, "x.assE"), "assE");     // two: neither boundary in a word is sure
  EXPECT_EQ(owed(*t, "x\ny.assE"), "assE");  // only its own line matters
}

TEST(Healing, BehindASpaceTheSpaceIsTakenBackThatTheNextWordWouldTake) {
  const auto t = words();
  EXPECT_EQ(owed(*t, "import "), " ");
  EXPECT_EQ(owed(*t, "f():\n    "), " ");
}

TEST(Healing, AMarkThatMayBeginALongerTokenIsTakenBack) { EXPECT_EQ(owed(*words(), "f("), "("); }

TEST(Healing, WhatNothingGoesOnFromStays) {
  const auto t = words();
  EXPECT_EQ(owed(*t, "f)"), "");
  EXPECT_EQ(owed(*t, "x = z"), "");
  EXPECT_EQ(owed(*t, "f():\n"), "");
  EXPECT_EQ(owed(*t, ""), "");
}

TEST(Healing, IndentationThatIsATokenOfItsOwnStays) {
  const auto t = test::TinySentencepiece{{"▁▁", "▁▁▁▁", "▁x", "x", "▁"}}.make();
  EXPECT_EQ(owed(*t, "f\n    "), "");
  EXPECT_EQ(owed(*t, "f = "), " ");  // ▁x
}

TEST(Healing, NoMoreThanSixteenBytesAreTakenBack) {
  const auto t = test::TinySentencepiece{{"ab", "abc", "a", "b", "▁"}}.make();
  for (int n = 1; n < 20; ++n) {
    std::string text = "x ";
    for (int i = 0; i < n; ++i) text += "ab";
    const std::string back = owed(*t, text);
    EXPECT_EQ(back.size(), n < 8 ? 2u * static_cast<std::size_t>(n) + 1 : 16u) << n;
  }
  test::TinyBpe doubles;
  std::string run = "a";
  for (; run.size() < 16; run += run) doubles.merges.emplace_back(run, run);
  doubles.merges.insert(doubles.merges.end(), {{run, "a"}, {run + "a", "b"}});
  const auto whole = doubles.make();
  EXPECT_EQ(owed(*whole, "." + run), run);
  EXPECT_EQ(owed(*whole, "." + run + "a"), "");  // one token of 17
}

TEST(Healing, ASpaceThatTheTokenizerPutsBeforeTheFirstWordIsOwedToo) {
  test::TinySentencepiece vocabulary{{"▁im", "▁import", "▁i", "m", "▁"}};
  vocabulary.add_space_prefix = true;
  const auto t = vocabulary.make();
  const Healed healed = heal(*t, "im");
  EXPECT_EQ(healed.kept, 0u);
  EXPECT_EQ(healed.owed, " im");
  EXPECT_EQ(allowed(*t, " im"), (std::set<std::string>{" im", " import"}));
}

TEST(Healing, ACharacterThatIsSeveralTokensIsTakenBackWhole) {
  const auto t = test::TinySentencepiece{{"☺☺", "x"}}.make();
  EXPECT_EQ(t->encode("☺").size(), 3u);  // bytes
  EXPECT_EQ(owed(*t, "x.☺"), "☺");
  // A text may itself end inside one.
  EXPECT_EQ(owed(*t, "x.\xE2\x98"), "\xE2\x98");
}

TEST(Healing, ATextThatTheTokenizerWouldChangeStays) {
  test::TinyBpe bpe;
  bpe.merges = {{"a", "b"}};
  bpe.normalizer = R"({"type":"NFC"})";
  const auto t = bpe.make();
  EXPECT_EQ(owed(*t, "x.a"), "a");
  EXPECT_EQ(owed(*t, "e\u0301.a"), "");
}

TEST(Healing, TokensThatGoBeyondAgreeAndOfTheShorterOnesTheTokenizersOwn) {
  const auto t = words();
  EXPECT_EQ(allowed(*t, " nu"), (std::set<std::string>{" nu", " num"}));  // not " n", nor " "
  EXPECT_EQ(allowed(*t, "assE"), (std::set<std::string>{"ass"}));
  EXPECT_EQ(allowed(*t, "E"), (std::set<std::string>{"E", "Eq", "Equ"}));
  EXPECT_EQ(allowed(*t, "z"), (std::set<std::string>{"z"}));
}

}  // namespace
}  // namespace r1
