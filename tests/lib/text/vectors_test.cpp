// Ids are exactly those of the published vectors, for every vocabulary that is there.
#include "tests/support/vectors.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "lib/text/tokenizer.h"

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
                                         "llama-spm"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace r1
