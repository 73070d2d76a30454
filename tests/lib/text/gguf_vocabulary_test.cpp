// A vocabulary gives the same ids from the GGUF keys made of it as from its own files.
#include "lib/text/gguf_vocabulary.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "lib/text/tokenizer.h"
#include "tests/support/fails.h"
#include "tests/support/published_bpe.h"
#include "tests/support/tiny_vocabulary.h"
#include "tests/support/tokenizer_folder.h"
#include "tests/support/vectors.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

const fs::path kText = fs::path(R1_TEST_DATA) / "text";

// A folder's vocabulary as a GGUF file.
class Exported {
 public:
  Exported(const test::TokenizerFolder& folder, std::int64_t rows)
      : keys_(gguf_vocabulary(folder.open(), rows, test::kShare)) {
    test::GgufEntries all = keys_;
    all.emplace_back("general.architecture", std::string("llama"));
    bytes_ = test::gguf_bytes(all);
  }
  std::unique_ptr<Tokenizer> load() const {
    return load_tokenizer(ModelFiles::of_gguf(as_bytes(bytes_), "exported.gguf"), test::kShare);
  }
  // The value of tokenizer.ggml.KEY; stops the test where it is absent or of another type.
  template <typename T>
  T value(const std::string& key) const {
    for (const auto& [name, entry] : keys_)
      if (name == "tokenizer.ggml." + key || name == "tokenizer." + key) return std::get<T>(entry);
    throw std::out_of_range(key);
  }
  bool has(const std::string& key) const {
    return std::any_of(keys_.begin(), keys_.end(),
                       [&](const auto& entry) { return entry.first == "tokenizer.ggml." + key; });
  }

 private:
  GgufMetadata keys_;
  std::string bytes_;
};

void expect_vectors(const Tokenizer& tokenizer, const std::string& name) {
  const test::Vectors v = test::read_vectors(kText / "vocab" / ("ggml-vocab-" + name + ".gguf"));
  ASSERT_EQ(v.texts.size(), 46u);
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    EXPECT_EQ(tokenizer.encode(v.texts[i]), v.ids[i]) << v.texts[i];
}

// A published byte-level BPE through tokenizer.json and GGUF.
void expect_through_gguf(const test::PublishedBpe& bpe, const std::string& name) {
  test::TokenizerFolder folder;
  folder.write("tokenizer.json", test::tokenizer_json(bpe, test::pretokenizer_entry(name)));
  const auto rows = static_cast<std::int64_t>(bpe.vocabulary.size()) + 64;
  const Exported gguf(folder, rows);
  EXPECT_EQ(gguf.value<std::string>("pre"), name);
  EXPECT_EQ(gguf.load()->size(), rows);
  expect_vectors(*gguf.load(), name);
}

TEST(GgufVocabulary, Llama3HasThePublishedIds) {
  if (!fs::exists(kText / "llama3")) GTEST_SKIP() << "skipped: no " << kText / "llama3";
  expect_through_gguf(test::read_gpt2_form(kText / "llama3"), "llama-bpe");
}

TEST(GgufVocabulary, Qwen2HasThePublishedIds) {
  const fs::path ranks = kText / "qwen2/qwen.tiktoken";
  if (!fs::exists(ranks)) GTEST_SKIP() << "skipped: no " << ranks;
  expect_through_gguf(test::read_tiktoken(ranks), "qwen2");
}

TEST(GgufVocabulary, Llama2HasThePublishedIds) {
  const fs::path model = kText / "llama2-spm/tokenizer.model";
  if (!fs::exists(model)) GTEST_SKIP() << "skipped: no " << model;
  test::TokenizerFolder folder;
  folder.write("tokenizer.model", read_file(model));
  const Exported gguf(folder, 32'000);
  expect_vectors(*gguf.load(), "llama-spm");
  EXPECT_EQ(gguf.value<std::uint32_t>("unknown_token_id"), 0u);
  EXPECT_EQ(gguf.value<std::uint32_t>("bos_token_id"), 1u);
  EXPECT_TRUE(gguf.value<bool>("add_bos_token"));
  EXPECT_TRUE(gguf.value<bool>("add_space_prefix"));
}

// Byte b is id b; 256 "ab"; 257 is free.
struct TinyFolder : test::TokenizerFolder {
  explicit TinyFolder(const std::string& pre_tokenizer) {
    const std::string added = R"([{"id":258,"content":"<bos>","special":true},)"
                              R"({"id":259,"content":"<think>","special":false},)"
                              R"({"id":260,"content":"<|fim_prefix|>","special":false},)"
                              R"({"id":261,"content":"<|fim_suffix|>","special":false},)"
                              R"({"id":262,"content":"<|fim_middle|>","special":false}])";
    const test::TinyBpe bpe = {
        .merges = {{"a", "b"}}, .added = added, .pre_tokenizer = pre_tokenizer};
    write("tokenizer.json", bpe.json());
    write("tokenizer_config.json",
          R"({"bos_token":"<bos>","pad_token":"<think>","add_bos_token":true,)"
          R"("chat_template":"{% é\n<|im_start|> %}"})");
  }
};
const std::string kByteLevel = R"({"type":"ByteLevel","add_prefix_space":false})";

TEST(GgufVocabulary, SaysWhatEachTokenIs) {
  const Exported gguf(TinyFolder(kByteLevel), 265);
  EXPECT_EQ(gguf.value<std::string>("model"), "gpt2");
  EXPECT_EQ(gguf.value<std::string>("pre"), "gpt-2");
  const auto tokens = gguf.value<std::vector<std::string>>("tokens");
  const auto types = gguf.value<std::vector<std::int32_t>>("token_type");
  EXPECT_EQ((std::vector<std::string>{tokens.begin() + 255, tokens.end()}),
            (std::vector<std::string>{letters_of("\xFF"), "ab", "[PAD257]", "<bos>", "<think>",
                                      "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
                                      "[PAD263]", "[PAD264]"}));
  EXPECT_EQ((std::vector<std::int32_t>{types.begin() + 255, types.end()}),
            (std::vector<std::int32_t>{1, 1, 5, 3, 4, 3, 3, 3, 5, 5}));
  EXPECT_EQ(gguf.value<std::vector<std::string>>("merges"), (std::vector<std::string>{"a b"}));
  EXPECT_EQ(gguf.value<std::uint32_t>("bos_token_id"), 258u);
  EXPECT_EQ(gguf.value<std::uint32_t>("padding_token_id"), 259u);
  EXPECT_EQ(gguf.value<std::uint32_t>("fim_pre_token_id"), 260u);
  EXPECT_EQ(gguf.value<std::uint32_t>("fim_suf_token_id"), 261u);
  EXPECT_EQ(gguf.value<std::uint32_t>("fim_mid_token_id"), 262u);
  EXPECT_FALSE(gguf.has("eos_token_id"));
  EXPECT_TRUE(gguf.value<bool>("add_bos_token"));
  EXPECT_EQ(gguf.value<std::string>("chat_template"), "{% é\n<|im_start|> %}");
}

TEST(GgufVocabulary, IsReadBackAsItWas) {
  const TinyFolder folder(kByteLevel);
  const auto before = folder.load(), after = Exported(folder, 265).load();
  const std::string text = "ab <think>b<bos>\n<|fim_prefix|> abab\xFF";
  EXPECT_EQ(after->encode(text), before->encode(text));
  EXPECT_EQ(after->bos(), before->bos());
  EXPECT_EQ(after->eos(), before->eos());
  EXPECT_EQ(after->add_bos(), before->add_bos());
  for (TokenId id = 0; id < before->size(); ++id) {
    EXPECT_EQ(after->bytes(id), before->bytes(id)) << id;
    EXPECT_EQ(after->is_marker(id), before->is_marker(id)) << id;
  }
}

TEST(GgufVocabulary, TakesTokensThatTheConfigurationAddsToSentencepiece) {
  test::TokenizerFolder folder;
  const std::string pieces = test::TinySentencepiece{.pieces = {"a", "b", "ab"}}.gguf();
  folder.write("tokenizer.model",
               sentencepiece_proto(GgufFile::parse(as_bytes(pieces), "pieces.gguf")));
  folder.write("tokenizer_config.json",
               R"({"eos_token":"<end>","added_tokens_decoder":{"0":{"content":"<unk>"},)"
               R"("262":{"content":"<end>","special":true},"264":{"content":"<tool>"}}})");
  const Exported gguf(folder, 266);
  EXPECT_EQ(gguf.value<std::string>("model"), "llama");
  EXPECT_EQ(gguf.value<std::uint32_t>("eos_token_id"), 262u);
  const auto types = gguf.value<std::vector<std::int32_t>>("token_type");
  EXPECT_EQ(types[0], 2);
  EXPECT_EQ((std::vector<std::int32_t>{types.begin() + 261, types.end()}),
            (std::vector<std::int32_t>{1, 3, 3, 4, 5}));
  const std::vector<TokenId> want = {259 + 2, 264, 259};
  EXPECT_EQ(folder.load()->encode("ab<tool>a"), want);
  EXPECT_EQ(gguf.load()->encode("ab<tool>a"), want);
}

TEST(GgufVocabulary, RefusesAPreTokenizerWithoutAName) {
  EXPECT_FAILS(ErrorKind::model, "no name is known for the pre-tokenizer of tokenizer.json: \\\\.+",
               Exported(TinyFolder(R"({"type":"Split","pattern":{"Regex":"\\.+"},)"
                                   R"("behavior":"Isolated","invert":false})"),
                        265));
  EXPECT_FAILS(ErrorKind::model, "no cuts", Exported(TinyFolder("null"), 265));
}

TEST(GgufVocabulary, RefusesMoreTokensThanRows) {
  EXPECT_FAILS(ErrorKind::model, "the tokenizer has 263 tokens, and the embedding 262 rows",
               Exported(TinyFolder(kByteLevel), 262));
}

}  // namespace
}  // namespace r1
