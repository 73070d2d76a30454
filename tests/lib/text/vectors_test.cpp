// Ids are exactly those of the published vectors, for every vocabulary that is there.
#include "tests/support/vectors.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "lib/text/tokenizer.h"
#include "tests/support/published_bpe.h"

namespace r1 {
namespace {

class Vectors : public testing::TestWithParam<const char*> {};

TEST_P(Vectors, GiveThePublishedIds) {
  const std::string name = GetParam();
  const auto tokenizer = test::published_tokenizer(name);
  if (!tokenizer) GTEST_SKIP() << "skipped: no vocabulary " << name;
  const test::Vectors v = test::read_vectors(std::filesystem::path(R1_TEST_DATA) / "text/vocab" /
                                             ("ggml-vocab-" + name + ".gguf"));
  EXPECT_EQ(v.texts.size(), 46u);
  ASSERT_EQ(v.texts.size(), v.ids.size());
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    EXPECT_EQ(tokenizer->encode(v.texts[i]), v.ids[i]) << v.texts[i];
}

INSTANTIATE_TEST_SUITE_P(Published, Vectors,
                         testing::Values("gpt-2", "mpt", "falcon", "starcoder", "refact",
                                         "llama-spm", "phi-3", "deepseek-coder", "deepseek-llm",
                                         "llama-bpe", "qwen2", "deepseek-r1-qwen"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace r1
