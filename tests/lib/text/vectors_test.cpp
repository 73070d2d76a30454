// Ids are exactly those of the published vectors, for every vocabulary that is there.
#include "tests/support/vectors.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "lib/text/bpe_tokenizer.h"
#include "tests/support/published_bpe.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
const fs::path kVocab = fs::path(R1_TEST_DATA) / "text/vocab";
const fs::path kShare = fs::path(R1_SOURCE_DIR) / "share";

void expect_vectors(const Tokenizer& tokenizer, const fs::path& stem) {
  const test::Vectors v = test::read_vectors(stem);
  EXPECT_EQ(v.texts.size(), 46u);
  ASSERT_EQ(v.texts.size(), v.ids.size());
  std::size_t right = 0;
  for (std::size_t i = 0; i < v.texts.size(); ++i) {
    const std::vector<TokenId> have = tokenizer.encode(v.texts[i]);
    EXPECT_EQ(have, v.ids[i]) << v.texts[i];
    if (have == v.ids[i]) ++right;
  }
  EXPECT_EQ(right, 46u);
}

class GgufVocabulary : public testing::TestWithParam<const char*> {};

TEST_P(GgufVocabulary, GivesThePublishedIds) {
  const fs::path path = kVocab / ("ggml-vocab-" + std::string(GetParam()) + ".gguf");
  if (!fs::exists(path)) GTEST_SKIP() << "skipped: no " << path;
  const ModelFiles files = ModelFiles::open(path);
  expect_vectors(*load_tokenizer(files, kShare), path);
}

INSTANTIATE_TEST_SUITE_P(Vectors, GgufVocabulary,
                         testing::Values("gpt-2", "mpt", "falcon", "starcoder", "refact",
                                         "llama-spm", "phi-3", "deepseek-coder", "deepseek-llm"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// An entry of pretokenizers.json by name.
Json entry_of(const std::string& name) {
  const Json file = parse_json(read_file((kShare / "pretokenizers.json").string()), "");
  const Json& entry = file.at(name, "");
  const Json* like = entry.find("like");
  return like == nullptr ? entry : file.at(like->string(""), "");
}

void expect_vectors(const test::PublishedBpe& bpe, const std::string& name) {
  const std::string text = test::tokenizer_json(bpe, entry_of(name));
  const auto tokenizer = make_bpe_tokenizer(parse_json(text, "tokenizer.json"));
  expect_vectors(*tokenizer, kVocab / ("ggml-vocab-" + name + ".gguf"));
}

TEST(TokenizerJson, OfLlama3GivesThePublishedIds) {
  const fs::path folder = fs::path(R1_TEST_DATA) / "text/llama3";
  if (!fs::exists(folder)) GTEST_SKIP() << "skipped: no " << folder;
  expect_vectors(test::read_gpt2_form(folder), "llama-bpe");
}

TEST(TokenizerJson, OfQwen2AndTheQwenDistillsGivesThePublishedIds) {
  const fs::path path = fs::path(R1_TEST_DATA) / "text/qwen2/qwen.tiktoken";
  if (!fs::exists(path)) GTEST_SKIP() << "skipped: no " << path;
  const test::PublishedBpe bpe = test::read_tiktoken(path);
  EXPECT_EQ(bpe.vocabulary.size(), 151'643u);
  expect_vectors(bpe, "qwen2");
  expect_vectors(bpe, "deepseek-r1-qwen");
}

}  // namespace
}  // namespace r1
