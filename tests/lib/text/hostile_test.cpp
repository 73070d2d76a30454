// What a tokenizer file may not say: each is refused with one line.
#include <string>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/text/tokenizer.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_vocabulary.h"

namespace r1 {
namespace {

std::unique_ptr<Tokenizer> from_json(std::string_view text) {
  return make_bpe_tokenizer(parse_json(text, "tokenizer.json"));
}

std::unique_ptr<Tokenizer> with_model(const std::string& vocab, const std::string& merges) {
  return from_json(R"({"model":{"vocab":)" + vocab + R"(,"merges":)" + merges + "}}");
}

TEST(HostileTokenizerJson, MergesNameOnlyTokens) {
  EXPECT_FAILS(ErrorKind::model, "merge 0 joins a and c",
               with_model(R"({"a":0,"b":1,"ab":2})", R"(["a c"])"));
  EXPECT_FAILS(ErrorKind::model, "merge 1 joins b and a",
               with_model(R"({"a":0,"b":1,"ab":2})", R"([["a","b"],["b","a"]])"));
  EXPECT_FAILS(ErrorKind::model, "ab is not two tokens",
               with_model(R"({"a":0,"b":1,"ab":2})", R"(["ab"])"));
  EXPECT_FAILS(ErrorKind::model, "a merge has 3 parts",
               with_model(R"({"a":0})", R"([["a","a","a"]])"));
}

TEST(HostileTokenizerJson, IdsAreInRangeAndEachIsOneToken) {
  EXPECT_FAILS(ErrorKind::model, "the id -1 is out of range", with_model(R"({"a":-1})", "[]"));
  EXPECT_FAILS(ErrorKind::model, "out of range", with_model(R"({"a":2097152})", "[]"));
  EXPECT_FAILS(ErrorKind::model, "out of range", with_model(R"({"a":1000000})", "[]"));
  EXPECT_FAILS(ErrorKind::decode, "not a whole number", with_model(R"({"a":1e300})", "[]"));
  EXPECT_FAILS(ErrorKind::model, "a and b have the same id", with_model(R"({"a":0,"b":0})", "[]"));
  EXPECT_FAILS(ErrorKind::decode, "key a twice", with_model(R"({"a":0,"a":1})", "[]"));
  test::TinyBpe bpe;
  bpe.added = R"([{"id":97,"content":"<x>"}])";
  EXPECT_FAILS(ErrorKind::model, "a and <x> have the same id", bpe.make());
  bpe.added = R"([{"id":300,"content":"<x>"},{"id":301,"content":"<x>"}])";
  EXPECT_FAILS(ErrorKind::model, "the token <x> twice", bpe.make());
}

TEST(HostileTokenizerJson, TokensAreNeitherEmptyNorEndless) {
  EXPECT_FAILS(ErrorKind::limit, "a token of 0 bytes", with_model(R"({"":0})", "[]"));
  EXPECT_FAILS(ErrorKind::limit, "a token of 8193 bytes",
               with_model("{\"" + std::string(8193, 'a') + "\":0}", "[]"));
  test::TinyBpe bpe;
  bpe.added = R"([{"id":300,"content":""}])";
  EXPECT_FAILS(ErrorKind::limit, "a token of 0 bytes", bpe.make());
}

TEST(HostileTokenizerJson, WhatDoesNotRunHereIsNamed) {
  EXPECT_FAILS(ErrorKind::decode, "has no model", from_json("{}"));
  EXPECT_FAILS(ErrorKind::decode, "not a string", from_json(R"({"model":{"type":7}})"));
  EXPECT_FAILS(ErrorKind::model, "Unigram", from_json(R"({"model":{"type":"Unigram"}})"));
  test::TinyBpe bpe;
  bpe.normalizer = R"({"type":"Lowercase"})";
  EXPECT_FAILS(ErrorKind::model, "the normalizer Lowercase", bpe.make());
  bpe.normalizer = "null";
  bpe.pre_tokenizer = R"({"type":"Whitespace"})";
  EXPECT_FAILS(ErrorKind::model, "the pre-tokenizer Whitespace", bpe.make());
  bpe.pre_tokenizer = R"({"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"})";
  EXPECT_FAILS(ErrorKind::model, "the split behavior Sideways", bpe.make());
}

std::unique_ptr<Tokenizer> with_regex(const std::string& pattern) {
  JsonWriter json;
  json.begin_object().key("type").string("Split").key("pattern").begin_object();
  json.key("Regex").string(pattern).end_object().key("behavior").string("Isolated").end_object();
  return test::TinyBpe{.pre_tokenizer = json.text()}.make();
}

TEST(HostileRegex, IsStoppedBeforeItTakesForever) {
  const auto bomb = with_regex("(a+)+$");
  EXPECT_FAILS(ErrorKind::limit, "too many steps", bomb->encode(std::string(5000, 'a') + "!"));
  EXPECT_EQ(bomb->encode("aaa").size(), 3u);
}

TEST(HostileRegex, IsRefusedWhenItIsWrongOrEndless) {
  EXPECT_FAILS(ErrorKind::model, "wrong at byte", with_regex("(a"));
  EXPECT_FAILS(ErrorKind::model, "wrong at byte", with_regex("a\\C"));
  EXPECT_FAILS(ErrorKind::model, "has \\w, which", with_regex("\\w+"));
  EXPECT_FAILS(ErrorKind::model, "a class in a class", with_regex("[a-z&&[^b]]"));
  EXPECT_FAILS(ErrorKind::model, "a class in a class", with_regex("[[:alpha:]]"));
  EXPECT_FAILS(ErrorKind::model, "\\S inside a class", with_regex("[\\Sa]"));
  EXPECT_FAILS(ErrorKind::limit, "65537 bytes", with_regex(std::string(65'537, 'a')));
}

TEST(HostileRegex, StepsAreCounted) {
  std::string steps = R"({"type":"Digits"})";
  for (int i = 1; i < 64; ++i) steps += R"(,{"type":"Digits"})";
  const auto all = [&] {
    return test::TinyBpe{.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[)" + steps + "]}"}
        .make();
  };
  EXPECT_NO_THROW(all());
  steps += R"(,{"type":"Digits"})";
  EXPECT_FAILS(ErrorKind::limit, "more than 64 steps", all());
}

TEST(HostileRegex, ThatMatchesNothingCutsNothing) {
  EXPECT_EQ(with_regex("x*")->encode("ab").size(), 2u);
  EXPECT_EQ(with_regex("(?=a)|$")->encode("ab").size(), 2u);
}

TEST(Bpe, MergesAHundredThousandBytesInOnePiece) {
  const auto tokenizer =
      test::TinyBpe{.merges = {{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}}.make();
  const std::vector<TokenId> ids = tokenizer->encode(std::string(100'001, 'a'));
  EXPECT_EQ(ids.size(), 12'501u);
  EXPECT_EQ(ids.back(), 'a');
}

GgufFile parsed(const std::string& bytes) { return GgufFile::parse(as_bytes(bytes), "x.gguf"); }

void make_from(const std::string& gguf) {
  const std::string proto = sentencepiece_proto(parsed(gguf));
  make_sentencepiece_tokenizer(as_bytes(proto), "x.gguf");
}

std::string spm(std::vector<std::string> tokens, std::vector<std::int32_t> types) {
  const std::vector<float> scores(tokens.size(), 0.0f);
  return test::gguf_bytes({{"tokenizer.ggml.tokens", std::move(tokens)},
                           {"tokenizer.ggml.scores", scores},
                           {"tokenizer.ggml.token_type", std::move(types)}});
}

TEST(HostileSentencepiece, BytePiecesAreTheTwoHundredAndFiftySix) {
  for (const char* piece : {"<0x-1>", "<0xG0>", "<0x1>", "<0x100>", "<0xab>", "0x0A"})
    EXPECT_FAILS(ErrorKind::decode, std::string("the byte piece ") + piece,
                 make_from(spm({"<unk>", piece}, {2, 6})));
}

TEST(HostileSentencepiece, EveryListHasOneEntryAToken) {
  EXPECT_FAILS(ErrorKind::model, "one entry a token", make_from(spm({"<unk>", "a"}, {2})));
  EXPECT_FAILS(ErrorKind::model, "one entry a token", make_from(spm({}, {2})));
  EXPECT_FAILS(ErrorKind::model, "of type 9", make_from(spm({"<unk>", "a"}, {2, 9})));
  EXPECT_FAILS(ErrorKind::model, "of type -1", make_from(spm({"<unk>", "a"}, {2, -1})));
}

TEST(HostileSentencepiece, PiecesAreNeitherEmptyNorEndlessNorDouble) {
  EXPECT_FAILS(ErrorKind::limit, "a piece of 0 bytes", make_from(spm({"<unk>", ""}, {2, 1})));
  EXPECT_FAILS(ErrorKind::limit, "a piece of 1025 bytes",
               make_from(spm({"<unk>", std::string(1025, 'a')}, {2, 1})));
  EXPECT_FAILS(ErrorKind::model, "already defined", make_from(spm({"<unk>", "a", "a"}, {2, 1, 1})));
}

TEST(HostileSentencepiece, AProtoIsRefusedAtEveryLengthAndWithEveryByteChanged) {
  const std::string gguf = test::TinySentencepiece{.pieces = {"▁", "a", "ab"}}.gguf();
  const std::string proto = sentencepiece_proto(parsed(gguf));
  const auto outcome = [](const std::string& bytes) {
    return test::failure([&] { make_sentencepiece_tokenizer(as_bytes(bytes), "x")->encode("ab"); });
  };
  for (std::size_t size = 0; size < proto.size(); size += 1 + size / 8)
    EXPECT_NE(outcome(proto.substr(0, size)).find(": "), std::string::npos) << size;
  for (std::size_t i = 0; i < 500; ++i) {  // anything but a crash
    std::string bytes = proto;
    bytes[random_bits(3, i, 0) % bytes.size()] = static_cast<char>(random_bits(3, i, 1));
    outcome(bytes);
  }
}

TEST(HostileGguf, NamesAPreTokenizerThatIsKnown) {
  test::TempDir dir;
  test::GgufEntries entries = {{"general.architecture", std::string("llama")},
                               {"tokenizer.ggml.model", std::string("gpt2")},
                               {"tokenizer.ggml.pre", std::string("../\x1b[2J")},
                               {"tokenizer.ggml.tokens", std::vector<std::string>{"a"}},
                               {"tokenizer.ggml.merges", std::vector<std::string>{}}};
  test::write_bytes(dir / "x.gguf", test::gguf_bytes(entries));
  const auto load = [&] {
    load_tokenizer(ModelFiles::open(dir / "x.gguf"), std::string(R1_SOURCE_DIR) + "/share");
  };
  EXPECT_FAILS(ErrorKind::model, "the pre-tokenizer ../\\x1b[2J, which is not known", load());
  entries.erase(entries.begin() + 2);
  test::write_bytes(dir / "x.gguf", test::gguf_bytes(entries));
  EXPECT_FAILS(ErrorKind::model, "names no pre-tokenizer; put the model's tokenizer.json", load());
  entries[1].second = std::string("bert");
  test::write_bytes(dir / "x.gguf", test::gguf_bytes(entries));
  EXPECT_FAILS(ErrorKind::model, "the tokenizer bert", load());
}

}  // namespace
}  // namespace r1
