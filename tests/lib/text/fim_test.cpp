// The fill-in-the-middle prompt of each family, as its model card writes it.
#include "lib/text/fim.h"

#include <gtest/gtest.h>

#include "tests/support/byte_tokenizer.h"

namespace r1 {
namespace {

using test::ByteTokenizer;

std::string prompt(const ByteTokenizer& t, const std::vector<ExtraFile>& extra = {}) {
  const auto form = FimForm::find(t);
  return form ? std::string(form->family()) + ": " + t.shown(form->encode(t, "P", "S", extra))
              : "none";
}

const std::vector<std::string> kR1 = {
    "<s>",          "</s>",         "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
    "<|file_sep|>", "<|repo_name|>"};
const std::vector<std::string> kQwen = {"<|endoftext|>",  "<|im_end|>",     "<|fim_prefix|>",
                                        "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
                                        "<|repo_name|>",  "<|file_sep|>"};

TEST(Fim, OfR1BeginsWithBosAndEndsWithThePrefix) {
  ByteTokenizer t(kR1);
  t.set_bos("<s>", true);
  EXPECT_EQ(prompt(t), "r1: ⟦<s>⟧⟦<|fim_prefix|>⟧⟦<|fim_suffix|>⟧S⟦<|fim_middle|>⟧P");
}

TEST(Fim, OfQwenHasNoBos) {
  EXPECT_EQ(prompt(ByteTokenizer(kQwen)),
            "qwen2.5-coder: ⟦<|fim_prefix|>⟧P⟦<|fim_suffix|>⟧S⟦<|fim_middle|>⟧");
}

TEST(Fim, IsNotOfferedByDistillsThatOnlyInheritedTheMarkers) {
  std::vector<std::string> markers = kQwen;
  markers.emplace_back("<｜User｜>");
  EXPECT_EQ(prompt(ByteTokenizer(markers)), "none");
}

TEST(Fim, OfDeepSeekCoderPutsAHoleBetween) {
  ByteTokenizer t(
      {"<｜begin▁of▁sentence｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"});
  t.set_bos("<｜begin▁of▁sentence｜>", true);
  EXPECT_EQ(prompt(t),
            "deepseek-coder: "
            "⟦<｜begin▁of▁sentence｜>⟧⟦<｜fim▁begin｜>⟧P⟦<｜fim▁hole｜>⟧S⟦<｜fim▁end｜>⟧");
}

TEST(Fim, OfStarCoderPutsThePrefixFirstAndOfMellumTheSuffix) {
  const std::vector<std::string> both = {"<fim_prefix>", "<fim_middle>", "<fim_suffix>",
                                         "<filename>"};
  EXPECT_EQ(prompt(ByteTokenizer(both)), "mellum: ⟦<fim_suffix>⟧S⟦<fim_prefix>⟧P⟦<fim_middle>⟧");
  std::vector<std::string> star = both;
  star.emplace_back("<gh_stars>");
  EXPECT_EQ(prompt(ByteTokenizer(star)), "starcoder: ⟦<fim_prefix>⟧P⟦<fim_suffix>⟧S⟦<fim_middle>⟧");
}

TEST(Fim, OfCodeLlamaGivesTheSuffixNoLeadingSpace) {
  ByteTokenizer t({"<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"}, true);
  t.set_bos("<s>", true);
  EXPECT_EQ(prompt(t), "codellama: ⟦<s>⟧⟦▁<PRE>⟧ P⟦▁<SUF>⟧S⟦▁<MID>⟧");
}

TEST(Fim, OfCodestralEndsWithThePrefix) {
  ByteTokenizer t({"<s>", "</s>", "[SUFFIX]", "[PREFIX]"}, true);
  t.set_bos("<s>", true);
  EXPECT_EQ(prompt(t), "codestral: ⟦<s>⟧⟦[SUFFIX]⟧S⟦[PREFIX]⟧ P");
}

TEST(Fim, EndsAMiddleWithItsFamilysTokenOrElseWithEos) {
  const auto end = [](ByteTokenizer t, std::string_view eos) {
    t.set_eos(eos);
    return t.shown({FimForm::find(t)->end().value()});
  };
  EXPECT_EQ(end(ByteTokenizer(kR1), "</s>"), "⟦</s>⟧");
  EXPECT_EQ(end(ByteTokenizer(kQwen), "<|im_end|>"), "⟦<|endoftext|>⟧");
  const std::vector<std::string> llama = {"</s>", "▁<PRE>", "▁<SUF>", "▁<MID>"};
  EXPECT_EQ(end(ByteTokenizer(llama), "</s>"), "⟦</s>⟧");
  std::vector<std::string> with_end = llama;
  with_end.emplace_back("▁<EOT>");
  EXPECT_EQ(end(ByteTokenizer(with_end), "</s>"), "⟦▁<EOT>⟧");
  EXPECT_FALSE(FimForm::find(ByteTokenizer(kR1))->end());
}

TEST(Fim, ArrangesBothTextsInEveryOrder) {
  const ByteTokenizer t(kR1);
  const auto form = FimForm::find(t);
  const auto arranged = [&](FimForm::Order order) {
    return t.shown(form->arrange(order, t.encode("P"), t.encode("S")));
  };
  EXPECT_EQ(arranged(FimForm::Order::prefix_first),
            "⟦<|fim_prefix|>⟧P⟦<|fim_suffix|>⟧S⟦<|fim_middle|>⟧");
  EXPECT_EQ(arranged(FimForm::Order::suffix_first),
            "⟦<|fim_suffix|>⟧S⟦<|fim_prefix|>⟧P⟦<|fim_middle|>⟧");
  EXPECT_EQ(arranged(FimForm::Order::prefix_last),
            "⟦<|fim_prefix|>⟧⟦<|fim_suffix|>⟧S⟦<|fim_middle|>⟧P");
}

TEST(Fim, PutsOtherFilesBeforeTheCaretsFile) {
  EXPECT_EQ(prompt(ByteTokenizer(kQwen), {{"a.py", "x = 1\n"}, {"b.py", "y"}}),
            "qwen2.5-coder: ⟦<|file_sep|>⟧a.py\nx = 1\n⟦<|file_sep|>⟧b.py\ny"
            "⟦<|fim_prefix|>⟧P⟦<|fim_suffix|>⟧S⟦<|fim_middle|>⟧");
  EXPECT_EQ(prompt(ByteTokenizer(kR1), {{"a.py", "x"}}),
            "r1: ⟦<|fim_prefix|>⟧⟦<|fim_suffix|>⟧S⟦<|fim_middle|>⟧# a.py\nx\nP");
}

TEST(Fim, NeverTakesAMarkerFromTheUsersText) {
  const ByteTokenizer t(kR1);
  const auto ids = FimForm::find(t)->encode(t, "<|fim_middle|>", "<|fim_suffix|>", {});
  EXPECT_EQ(std::count_if(ids.begin(), ids.end(), [&](TokenId id) { return t.is_marker(id); }), 3);
}

TEST(StopTokens, AreEveryEndTheVocabularyHasAndTheOnesGiven) {
  ByteTokenizer t({"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_pad|>", "<end>"});
  t.set_eos("<end>");
  EXPECT_EQ(stop_tokens(t, {7, 258, 7}), (std::vector<TokenId>{7, 256, 258, 259, 260}));
}

}  // namespace
}  // namespace r1
