// Which file speaks for a model, where BOS and EOS come from, and what may become a marker.
#include "lib/text/tokenizer.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/byte_tokenizer.h"
#include "tests/support/fails.h"
#include "tests/support/published_bpe.h"
#include "tests/support/tiny_vocabulary.h"
#include "tests/support/tokenizer_folder.h"
#include "tests/support/vectors.h"

namespace r1 {
namespace {

using Ids = std::vector<TokenId>;
using Folder = test::TokenizerFolder;

test::TinyBpe with_markers() {
  return {.added = R"([{"id":300,"content":"<bos>","special":true},)"
                   R"({"id":301,"content":"<eos>","special":true},)"
                   R"({"id":302,"content":"<think>","special":false},)"
                   R"({"id":303,"content":"<|fim_middle|>","special":false},)"
                   R"({"id":304,"content":"<｜User｜>","special":false}])"};
}

TEST(LoadTokenizer, TakesBosAndEosByTheirTextsAndNotByConfigIds) {
  Folder folder;
  folder.write("tokenizer.json", with_markers().json());
  folder.write("tokenizer_config.json",
               R"({"bos_token":{"content":"<bos>","lstrip":false},"eos_token":"<eos>",)"
               R"("add_bos_token":true})");
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->bos(), 300);
  EXPECT_EQ(tokenizer->eos(), 301);
  EXPECT_TRUE(tokenizer->add_bos());
}

TEST(LoadTokenizer, FallsBackToTheSpecialTokensMap) {
  Folder folder;
  folder.write("tokenizer.json", with_markers().json());
  folder.write("special_tokens_map.json", R"({"eos_token":"<eos>"})");
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->eos(), 301);
  EXPECT_FALSE(tokenizer->add_bos());
}

TEST(LoadTokenizer, AddsBosWhenThePostProcessorDoes) {
  Folder folder;
  test::TinyBpe bpe = with_markers();
  bpe.post_processor =
      R"({"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing",)"
      R"("single":[{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"A"}}]}]})";
  folder.write("tokenizer.json", bpe.json());
  folder.write("tokenizer_config.json", R"({"bos_token":"<bos>"})");
  EXPECT_TRUE(folder.load()->add_bos());
  folder.write("tokenizer_config.json", R"({"bos_token":"<bos>","add_bos_token":false})");
  EXPECT_FALSE(folder.load()->add_bos());
}

TEST(LoadTokenizer, PrefersTokenizerModelToWhatWasMadeFromIt) {
  Folder folder;
  EXPECT_FAILS(ErrorKind::model, "neither tokenizer.model nor tokenizer.json", folder.load());
  folder.write("tokenizer.json", with_markers().json());
  const std::string gguf = test::TinySentencepiece{.pieces = {"a", "b", "ab"}}.gguf();
  folder.write("tokenizer.model", sentencepiece_proto(GgufFile::parse(as_bytes(gguf), "x.gguf")));
  EXPECT_EQ(folder.load()->size(), 3 + 256 + 3);
}

// A tokenizer.json as converters write it for a sentencepiece vocabulary: every way to put a piece
// together from two is a merge, the best piece first.
std::string converted(const std::vector<SentencepieceModel::Piece>& pieces) {
  std::map<std::string_view, std::int64_t> ids;
  std::vector<const SentencepieceModel::Piece*> by_score;
  for (const auto& piece : pieces) {
    ids.emplace(piece.text, ids.size());
    if (piece.type == PieceType::normal) by_score.push_back(&piece);
  }
  std::stable_sort(by_score.begin(), by_score.end(),
                   [](auto* a, auto* b) { return a->score > b->score; });
  JsonWriter json;
  json.begin_object().key("normalizer").begin_object().key("type").string("Sequence");
  json.key("normalizers").begin_array();
  json.begin_object().key("type").string("Prepend").key("prepend").string("▁").end_object();
  json.begin_object().key("type").string("Replace").key("content").string("▁").end_object();
  json.end_array().end_object();
  json.key("added_tokens").begin_array();
  for (const char* token : {"<unk>", "<s>", "</s>"})
    json.begin_object().key("id").integer(ids[token]).key("content").string(token).end_object();
  json.end_array().key("model").begin_object().key("type").string("BPE");
  json.key("unk_token").string("<unk>").key("byte_fallback").boolean(true);
  json.key("vocab").begin_object();
  for (const auto& [text, id] : ids) json.key(text).integer(id);
  json.end_object().key("merges").begin_array();
  for (const auto* piece : by_score) {
    const std::string_view text = piece->text;
    for (std::size_t cut = 1; cut < text.size(); ++cut)
      if (ids.contains(text.substr(0, cut)) && ids.contains(text.substr(cut)))
        json.begin_array().string(text.substr(0, cut)).string(text.substr(cut)).end_array();
  }
  json.end_array().end_object().end_object();
  return json.text();
}

TEST(LoadTokenizer, ReadsATokenizerJsonThatWasConvertedFromSentencepiece) {
  const auto path = std::filesystem::path(R1_TEST_DATA) / "text/llama2-spm/tokenizer.model";
  const auto stem = std::filesystem::path(R1_TEST_DATA) / "text/vocab/ggml-vocab-llama-spm.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "skipped: no " << path;
  const std::string proto = read_file(path);
  Folder folder;
  folder.write("tokenizer.json",
               converted(check_sentencepiece_proto(as_bytes(proto), "tokenizer.model").pieces));
  const auto tokenizer = folder.load();
  const test::Vectors v = test::read_vectors(stem);
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    EXPECT_EQ(tokenizer->encode(v.texts[i]), v.ids[i]) << v.texts[i];
  EXPECT_TRUE(tokenizer->is_marker(*tokenizer->find("</s>")));
  EXPECT_EQ(tokenizer->marker_text(*tokenizer->find("</s>")), "</s>");
}

// As the tokenizers library has it: a text that begins with a space gets no other one.
TEST(LoadTokenizer, PutsNoSpaceBeforeOneWhereMetaspaceDoesNot) {
  JsonWriter json;
  json.begin_object().key("pre_tokenizer").begin_object().key("type").string("Metaspace");
  json.key("replacement").string("▁").key("prepend_scheme").string("first").end_object();
  json.key("model").begin_object().key("type").string("BPE").key("unk_token").string("<unk>");
  json.key("byte_fallback").boolean(true).key("vocab").begin_object();
  std::int64_t id = 0;
  for (const char* piece : {"<unk>", "▁", "a", "▁a"}) json.key(piece).integer(id++);
  for (int byte = 0; byte < 256; ++byte) json.key(fmt::format("<0x{:02X}>", byte)).integer(id++);
  json.end_object().key("merges").begin_array();
  json.begin_array().string("▁").string("a").end_array().end_array().end_object().end_object();
  Folder folder;
  folder.write("tokenizer.json", json.text());
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->encode("a"), (Ids{3}));
  EXPECT_EQ(tokenizer->encode(" a"), (Ids{3}));
  EXPECT_EQ(tokenizer->encode("  a"), (Ids{1, 3}));
  EXPECT_EQ(tokenizer->encode(" "), (Ids{1}));
  EXPECT_EQ(tokenizer->encode_continued("a"), (Ids{2}));
}

std::unique_ptr<Tokenizer> load_gguf(const test::TempDir& dir, const test::GgufEntries& more,
                                     const std::string& pre = "gpt-2") {
  test::GgufEntries entries = {
      {"general.architecture", std::string("llama")},
      {"tokenizer.ggml.model", std::string("gpt2")},
      {"tokenizer.ggml.pre", pre},
      {"tokenizer.ggml.tokens",
       std::vector<std::string>{"a", "b", "ab", "<s>", "<x>", "[PAD5]", "<unused>"}},
      {"tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 1, 3, 4, 4, 5}},
      {"tokenizer.ggml.merges", std::vector<std::string>{"a b"}},
      {"tokenizer.ggml.bos_token_id", 3u}};
  entries.insert(entries.end(), more.begin(), more.end());
  test::write_bytes(dir / "x.gguf", test::gguf_bytes(entries));
  return load_tokenizer(ModelFiles::open(dir / "x.gguf"), test::kShare);
}

TEST(LoadTokenizer, ReadsTheTypesOfGgufTokens) {
  const test::TempDir dir;
  const auto tokenizer = load_gguf(dir, {{"tokenizer.ggml.add_bos_token", true}});
  EXPECT_EQ(tokenizer->encode("ab<x>a"), (Ids{2, 4, 0}));
  EXPECT_TRUE(tokenizer->is_marker(3));
  EXPECT_TRUE(tokenizer->is_marker(5));
  EXPECT_FALSE(tokenizer->is_marker(4));
  EXPECT_EQ(tokenizer->marker_text(3), "<s>");
  EXPECT_EQ(tokenizer->marker_text(4), "");
  EXPECT_EQ(tokenizer->bytes(4), "<x>");
  EXPECT_EQ(tokenizer->bytes(6), "");
  EXPECT_EQ(tokenizer->bytes(7), "");
  EXPECT_EQ(tokenizer->bytes(-1), "");
  EXPECT_TRUE(tokenizer->add_bos());
}

// As llama.cpp has it where the file does not say.
TEST(LoadTokenizer, OfLlama3BeginsWithBosUnlessTheFileSaysOtherwise) {
  const test::TempDir dir;
  const auto begins = [&](const test::GgufEntries& more) {
    return load_gguf(dir, more, "llama-bpe")->add_bos();
  };
  EXPECT_TRUE(begins({}));
  EXPECT_FALSE(begins({{"tokenizer.ggml.add_bos_token", false}}));
  EXPECT_FALSE(load_gguf(dir, {})->add_bos());
}

TEST(LoadTokenizer, RefusesABosPastTheVocabulary) {
  const test::TempDir dir;
  EXPECT_FAILS(ErrorKind::model, "eos_token_id is 7, and there are 7 tokens",
               load_gguf(dir, {{"tokenizer.ggml.eos_token_id", 7u}}));
}

TEST(LoadTokenizer, TakesATokenizerJsonBesideAGgufFileOnlyIfItIsTheSameVocabulary) {
  const test::TempDir dir;
  const std::string json = R"({"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":[]},)"
                           R"("added_tokens":[{"id":3,"content":"<s>","special":true}]})";
  test::write_bytes(dir / "tokenizer.json", json);
  EXPECT_EQ(load_gguf(dir, {})->encode("ab"), (Ids{0, 1}));  // it has no merges
  std::string other = json;
  other.replace(other.find("\"ab\""), 4, "\"ba\"");
  test::write_bytes(dir / "tokenizer.json", other);
  EXPECT_EQ(load_gguf(dir, {})->encode("ab"), (Ids{2}));
}

TEST(LoadTokenizer, PrefersTheTokenizerJsonInsideAGgufFile) {
  const test::TempDir dir;
  const auto tokenizer = load_gguf(
      dir, {{"tokenizer.huggingface.json",
             std::string(R"({"model":{"vocab":{"a":0,"b":1,"c":2,"<s>":3},"merges":[]}})")}});
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{0, 1}));
}

TEST(UserText, NeverBecomesAMarker) {
  const auto tokenizer = with_markers().make();
  EXPECT_EQ(tokenizer->encode("<bos>").size(), 5u);
  EXPECT_EQ(tokenizer->encode("<|fim_middle|>").size(), 14u);  // though the file says not special
  EXPECT_EQ(tokenizer->encode("<｜User｜>").size(), 12u);      // nor of this one
  EXPECT_EQ(tokenizer->encode("a<think>"), (Ids{'a', 302}));
  EXPECT_EQ(tokenizer->bytes(300), "");
  EXPECT_EQ(tokenizer->bytes(302), "<think>");
  EXPECT_EQ(tokenizer->find("<bos>"), 300);
}

TEST(UserText, NeverBecomesAMarkerOfSentencepiece) {
  const auto tokenizer = test::TinySentencepiece{
      .pieces = {"<", "s", ">", "|", "fim"},
      .control = {
          "<|fim_middle|>"}}.make();
  for (const std::string text : {"<s>", "</s>", "<unk>", "<|fim_middle|>", "<0x41>"}) {
    std::string back;
    for (const TokenId id : tokenizer->encode(text)) {
      EXPECT_FALSE(tokenizer->is_marker(id)) << text;
      back += tokenizer->bytes(id);
    }
    EXPECT_EQ(back, text);
  }
  EXPECT_EQ(tokenizer->find("<|fim_middle|>"), 3);
}

TEST(UserText, NeverBecomesAMarkerOfDeepSeekCoder) {
  const auto tokenizer = test::published_tokenizer("deepseek-coder");
  if (!tokenizer) GTEST_SKIP() << "skipped: no vocabulary deepseek-coder";
  for (const char* text : {"<｜fim▁begin｜>", "<｜begin▁of▁sentence｜>", "<|EOT|>"}) {
    const auto marker = tokenizer->find(text);
    ASSERT_TRUE(marker) << text;
    EXPECT_TRUE(tokenizer->is_marker(*marker)) << text;
    for (const TokenId id : tokenizer->encode(text)) EXPECT_FALSE(tokenizer->is_marker(id)) << text;
  }
  EXPECT_EQ(tokenizer->bos(), 32013);
  EXPECT_EQ(tokenizer->eos(), 32014);
  EXPECT_TRUE(tokenizer->add_bos());
}

TEST(AddedTokens, MatchTheLeftmostThenTheLongest) {
  const auto tokenizer = test::TinyBpe{.added = R"([{"id":300,"content":"ab"},)"
                                                R"({"id":301,"content":"abcd"},)"
                                                R"({"id":302,"content":"bcde"}])"}
                             .make();
  EXPECT_EQ(tokenizer->encode("abcde"), (Ids{301, 'e'}));
  EXPECT_EQ(tokenizer->encode("abce"), (Ids{300, 'c', 'e'}));
  EXPECT_EQ(tokenizer->encode("xbcde"), (Ids{'x', 302}));
}

TEST(AddedTokens, TakeSpacesAlongAndKeepOutOfWords) {
  const auto tokenizer = test::TinyBpe{.added = R"([{"id":300,"content":"L","lstrip":true},)"
                                                R"({"id":301,"content":"R","rstrip":true},)"
                                                R"({"id":302,"content":"W","single_word":true}])"}
                             .make();
  EXPECT_EQ(tokenizer->encode("a \nLb"), (Ids{'a', 300, 'b'}));
  EXPECT_EQ(tokenizer->encode("aR \tb"), (Ids{'a', 301, 'b'}));
  EXPECT_EQ(tokenizer->encode("a\u3000\u00a0Lb"), (Ids{'a', 300, 'b'}));
  EXPECT_EQ(tokenizer->encode("aR\u2028 b"), (Ids{'a', 301, 'b'}));
  EXPECT_EQ(tokenizer->encode("W-aW W"), (Ids{302, '-', 'a', 'W', ' ', 302}));
}

TEST(ByteLevel, PutsAPrefixSpaceBeforeEachRunOfText) {
  test::TinyBpe bpe{.merges = {{"Ġ", "a"}}};
  bpe.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":true})";
  const auto tokenizer = bpe.make();
  EXPECT_EQ(tokenizer->encode("a a"), (Ids{256, 256}));
  EXPECT_EQ(tokenizer->encode_continued("a a"), (Ids{'a', 256}));
  EXPECT_EQ(tokenizer->encode("a\xFF"
                              "a"),
            (Ids{256, 0xFF, 'a'}))
      << "inside of a text there is none";
}

TEST(IgnoreMerges, MakesAWholePieceOneToken) {
  test::TinyBpe bpe{.merges = {{"a", "b"}, {"b", "c"}, {"a", "bc"}}};
  EXPECT_EQ(bpe.make()->encode("abc"), (Ids{256, 'c'}));
  bpe.ignore_merges = true;
  EXPECT_EQ(bpe.make()->encode("abc"), (Ids{258}));
}

TEST(Sentencepiece, ContinuesATextWithoutItsLeadingSpace) {
  const auto tokenizer = test::published_tokenizer("llama-spm");
  if (!tokenizer) GTEST_SKIP() << "skipped: no vocabulary llama-spm";
  const auto shown = [&](const Ids& ids) {
    std::string out;
    for (const TokenId id : ids) out += "[" + std::string(tokenizer->bytes(id)) + "]";
    return out;
  };
  EXPECT_EQ(shown(tokenizer->encode("return x")), "[ return][ x]");
  EXPECT_EQ(shown(tokenizer->encode_continued("return x")), "[return][ x]");
  EXPECT_EQ(shown(tokenizer->encode_continued("\nfoo")), "[\n][foo]");
  EXPECT_EQ(shown(tokenizer->encode_continued(" foo")), "[ foo]");
  EXPECT_EQ(shown(tokenizer->encode_continued("")), "");
}

TEST(EncodeParts, PutsMarkersByIdAndAddsBosOnce) {
  test::ByteTokenizer tokenizer({"<s>", "<m>"}, true);
  tokenizer.set_bos("<s>", true);
  using Kind = PromptPart::Kind;
  const auto shown = [&](const std::vector<PromptPart>& parts, bool bos) {
    return tokenizer.shown(encode_parts(tokenizer, parts, bos));
  };
  EXPECT_EQ(shown({{"a<m>"}, {"<m>", Kind::marker}, {"b", Kind::continued}}, true),
            "⟦<s>⟧ a<m>⟦<m>⟧b");
  EXPECT_EQ(shown({{"", Kind::bos}, {"a"}}, false), "⟦<s>⟧ a");
  EXPECT_FAILS(ErrorKind::model, "no token <other>", shown({{"<other>", Kind::marker}}, false));
  test::ByteTokenizer without({"<m>"}, true);
  EXPECT_EQ(without.shown(encode_parts(without, {{"", Kind::bos}, {"a"}}, true)), " a");
}

}  // namespace
}  // namespace r1
