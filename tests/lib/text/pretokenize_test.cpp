// Cuts are those of Hugging Face's tokenizers 0.23.3 on the same steps and texts.
#include "lib/text/pretokenize.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

using Pieces = std::vector<std::string_view>;

Pieces cut(std::string_view json, std::string_view text) {
  return Pretokenizer::from_json(parse_json(json, "tokenizer.json")).split(text);
}

Pieces split_at_dash(const std::string& rest) {
  return cut(R"({"type":"Split","pattern":{"String":"-"},"behavior":)" + rest + "}",
             "the-final--countdown-");
}

TEST(Split, KeepsCutsByItsBehavior) {
  EXPECT_EQ(split_at_dash(R"("Isolated")"),
            (Pieces{"the", "-", "final", "-", "-", "countdown", "-"}));
  EXPECT_EQ(split_at_dash(R"("Contiguous")"),
            (Pieces{"the", "-", "final", "--", "countdown", "-"}));
  EXPECT_EQ(split_at_dash(R"("Removed")"), (Pieces{"the", "final", "countdown"}));
  EXPECT_EQ(split_at_dash(R"("MergedWithPrevious")"),
            (Pieces{"the-", "final-", "-", "countdown-"}));
  EXPECT_EQ(split_at_dash(R"("MergedWithNext")"),
            (Pieces{"the", "-final", "-", "-countdown", "-"}));
}

TEST(Split, ARunMayBeLong) {
  const std::string signs(50'000, '=');
  EXPECT_EQ(cut(R"({"type":"Punctuation","behavior":"Contiguous"})", "a" + signs + "b"),
            (Pieces{"a", signs, "b"}));
}

TEST(Split, InvertedSwapsMatchesAndWhatIsBetween) {
  EXPECT_EQ(split_at_dash(R"("Removed","invert":true)"), (Pieces{"-", "-", "-", "-"}));
  EXPECT_EQ(split_at_dash(R"("MergedWithNext","invert":true)"),
            (Pieces{"the-", "final-", "-", "countdown-"}));
  EXPECT_EQ(split_at_dash(R"("MergedWithPrevious","invert":true)"),
            (Pieces{"the", "-final", "-", "-countdown", "-"}));
}

TEST(Split, TakesAStringLiterally) {
  EXPECT_EQ(
      cut(R"({"type":"Split","pattern":{"String":"a.\\d"},"behavior":"Removed"})", "xa.\\dyabc1"),
      (Pieces{"x", "yabc1"}));
}

TEST(Split, IsTheSameForTwoSpellingsOfACharacter) {
  const auto split = [](const std::string& regex) {
    return Pretokenizer::from_json(parse_json(
        R"({"type":"Split","pattern":{"Regex":")" + regex + R"("},"behavior":"Isolated"})", "t"));
  };
  EXPECT_EQ(split("[\u4e00-龥]é+"), Pretokenizer::from_patterns({R"([\x{4E00}-\x{9FA5}]\x{E9}+)"}));
  EXPECT_EQ(split("[\u4e00-龥]é+").split("x一ééy"), (Pieces{"x", "一éé", "y"}));
  EXPECT_NE(split("é"), split("e"));
}

TEST(Digits, AreOneByOneOrInRuns) {
  EXPECT_EQ(cut(R"({"type":"Digits","individual_digits":true})", "a12b3"),
            (Pieces{"a", "1", "2", "b", "3"}));
  EXPECT_EQ(cut(R"({"type":"Digits","individual_digits":false})", "a12b3"),
            (Pieces{"a", "12", "b", "3"}));
}

TEST(Punctuation, IsAsciiSignsAndUnicodePunctuation) {
  EXPECT_EQ(cut(R"({"type":"Punctuation"})", "a,.b $x+\u00bfd_"),
            (Pieces{"a", ",", ".", "b ", "$", "x", "+", "\u00bf", "d", "_"}));
  EXPECT_EQ(cut(R"({"type":"Punctuation","behavior":"Contiguous"})", "a,.b"),
            (Pieces{"a", ",.", "b"}));
}

TEST(Sequence, CutsThePiecesOfTheStepBefore) {
  EXPECT_EQ(cut(R"({"type":"Sequence","pretokenizers":[
                   {"type":"Split","pattern":{"Regex":"[\r\n]"},"behavior":"Isolated"},
                   {"type":"Digits","individual_digits":true},
                   {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})",
                "a1\nb 22"),
            (Pieces{"a", "1", "\n", "b ", "2", "2"}));
}

TEST(ByteLevel, CutsAsGpt2OnlyWithItsRegex) {
  EXPECT_EQ(cut(R"({"type":"ByteLevel","add_prefix_space":false})", "I'll be  here"),
            (Pieces{"I", "'ll", " be", " ", " here"}));
  EXPECT_EQ(cut(R"({"type":"ByteLevel","use_regex":false})", "I'll be"), (Pieces{"I'll be"}));
  EXPECT_TRUE(
      Pretokenizer::from_json(parse_json(R"({"type":"ByteLevel"})", "")).add_prefix_space());
}

TEST(Regex, CountsWhiteSpaceAndHanAsOniguruma) {
  const auto isolated = [](const char* regex) {
    return std::string(R"({"type":"Split","behavior":"Isolated","pattern":{"Regex":")") + regex +
           "\"}}";
  };
  EXPECT_EQ(cut(isolated("\\\\s+"), "a\u180eb \u0085c\u00a0d"),
            (Pieces{"a\u180eb", " \u0085", "c", "\u00a0", "d"}));
  EXPECT_EQ(cut(isolated("[^\\\\s]+"), "a\u180eb c"), (Pieces{"a\u180eb", " ", "c"}));
  EXPECT_EQ(cut(isolated("\\\\S+"), "a\u180eb c"), (Pieces{"a\u180eb", " ", "c"}));
  EXPECT_EQ(cut(isolated("\\\\p{Han}+"), "a\u3001\u4e00"), (Pieces{"a\u3001", "\u4e00"}));
  // U+30FC is of Hiragana and of Katakana, and its own script is neither.
  EXPECT_EQ(cut(isolated("\\\\p{Katakana}+"), "\u30e9\u30fc"), (Pieces{"\u30e9", "\u30fc"}));
  EXPECT_EQ(cut(isolated("\\\\P{Katakana}+"), "\u30e9\u30fc"), (Pieces{"\u30e9", "\u30fc"}));
}

TEST(Regex, KnowsTheEndsOfLines) {
  const auto isolated = R"({"type":"Split","behavior":"Isolated","pattern":{"Regex":"a$|^b"}})";
  EXPECT_EQ(cut(isolated, "ba\nbab"), (Pieces{"b", "a", "\n", "b", "ab"}));
}

}  // namespace
}  // namespace r1
