// Any bytes become ids and come back as they were.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/base/utf8.h"
#include "lib/text/nfc.h"
#include "tests/support/published_bpe.h"
#include "tests/support/tiny_vocabulary.h"

namespace r1 {
namespace {

std::unique_ptr<Tokenizer> make(const std::string& name) {
  if (name == "tiny-bpe")
    return test::TinyBpe{.merges = {{"a", "b"}, {"ab", "a"}, {"Ġ", "Ġ"}, {"Ã", "©"}}}.make();
  if (name == "tiny-sentencepiece")
    return test::TinySentencepiece{.pieces = {"▁", "a", "b", "ab", "▁▁", "é"}}.make();
  if (name == "tiny-sentencepiece-prefix")
    return test::TinySentencepiece{.pieces = {"▁", "a", "▁a", "b"}, .add_space_prefix = true}
        .make();
  return test::published_tokenizer(name);
}

std::string decoded(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.bytes(id);
  return text;
}

class RoundTrip : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    tokenizer_ = make(GetParam());
    if (!tokenizer_) GTEST_SKIP() << "skipped: no vocabulary " << GetParam();
  }
  void expect_comes_back(const std::string& text) const {
    ASSERT_EQ(decoded(*tokenizer_, tokenizer_->encode_continued(text)), expected(text));
  }
  // DeepSeek's vocabularies have the 13 bytes that UTF-8 does not use only as the Latin-1 letters
  // of these numbers; all others have every byte.
  static std::string expected(const std::string& text) {
    if (!std::string_view(GetParam()).starts_with("deepseek")) return text;
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0xC0 || byte == 0xC1 || byte >= 0xF5)
        append_utf8(out, byte);
      else
        out += c;
    }
    return out;
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(RoundTrip, EveryCodePoint) {
  for (char32_t c = 0; c < 0x110000;) {
    std::string text;
    for (const char32_t end = c + 0x1000; c < end; ++c)
      if (c < 0xD800 || c >= 0xE000) append_utf8(text, c);
    expect_comes_back(text);
  }
}

TEST_P(RoundTrip, RandomBytes) {
  for (std::uint64_t i = 0; i < 1000; ++i) {
    std::string text;
    const std::uint64_t size = random_bits(1, i, 0) % 64;
    for (std::uint64_t k = 1; k <= size; ++k)
      text += static_cast<char>(random_bits(1, i, k) >> (random_bits(2, i, k) % 3 == 0 ? 0 : 57));
    expect_comes_back(text);
  }
}

TEST_P(RoundTrip, WhatIsLeftWhenCharactersAreCut) {
  const std::string whole = "\u00e9\u2581\u4e00\U0001F600 \u2581\u2581x";
  for (std::size_t begin = 0; begin < whole.size(); ++begin)
    for (std::size_t end = begin; end <= whole.size(); ++end)
      expect_comes_back(whole.substr(begin, end - begin));
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, RoundTrip,
                         testing::Values("tiny-bpe", "tiny-sentencepiece",
                                         "tiny-sentencepiece-prefix", "gpt-2", "deepseek-coder",
                                         "deepseek-llm", "llama-spm"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(RoundTripWithANormalizer, IsWhatNormalizationLeaves) {
  const auto tokenizer = test::TinyBpe{.normalizer = R"({"type":"NFC"})"}.make();
  const std::string text = "cafe\u0301 \u212B \uAC00 \u1100\u1161\u11A8 e\u0323\u0302";
  EXPECT_EQ(decoded(*tokenizer, tokenizer->encode(text)), nfc(text));
}

TEST(RoundTripWithASpacePrefix, HasOneSpaceInFront) {
  const auto tokenizer = make("tiny-sentencepiece-prefix");
  EXPECT_EQ(decoded(*tokenizer, tokenizer->encode("a b")), " a b");
  EXPECT_EQ(decoded(*tokenizer, tokenizer->encode_continued("a b")), "a b");
  EXPECT_EQ(decoded(*tokenizer, tokenizer->encode("")), "");
}

}  // namespace
}  // namespace r1
