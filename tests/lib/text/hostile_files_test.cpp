// tokenizer.json and tokenizer.model files that lie, one part at a time: each is one line that says
// what, and costs no memory.
#include <gtest/gtest.h>

#include "lib/text/bpe_tokenizer.h"
#include "lib/text/sentencepiece_tokenizer.h"
#include "tests/support/fails.h"
#include "tests/support/raw_bytes.h"

namespace r1 {
namespace {

using test::proto_bytes;
using test::proto_float;
using test::proto_number;
using test::varint;
using Kind = ErrorKind;

struct Lie {
  std::string bytes;
  Kind kind;
  std::string says;
};

template <typename Read>
void expect_refused(const std::vector<Lie>& lies, Read&& read) {
  const std::size_t before = test::peak_memory();
  for (const Lie& lie : lies) {
    const std::string why = test::failure([&] { read(lie.bytes); });
    EXPECT_TRUE(why.starts_with(std::string(code(lie.kind)) + ": "))
        << why << "\nwanted: " << lie.says;
    EXPECT_NE(why.find(lie.says), std::string::npos) << why << "\nwanted: " << lie.says;
    EXPECT_EQ(why.find('\n'), std::string::npos) << why;
  }
  EXPECT_LT(test::peak_memory() - before, test::kFewBytes);
}
void expect_json_refused(const std::vector<Lie>& lies) {
  expect_refused(lies, [](const std::string& text) {
    make_bpe_tokenizer(parse_json(text, "tokenizer.json"));
  });
}

const std::string kVocab = R"("vocab":{"a":0,"b":1,"ab":2})";
std::string model(const std::string& members, const std::string& rest = "") {
  return "{\"model\":{" + members + "}" + rest + "}";
}
std::string merges(const std::string& list) { return model(kVocab + ",\"merges\":" + list); }
std::string vocab(const std::string& object) {
  return model("\"vocab\":" + object + R"(,"merges":[])");
}
std::string with(const std::string& member) {
  return model(kVocab + R"(,"merges":["a b"])", "," + member);
}
std::string added(const std::string& token) { return with("\"added_tokens\":[" + token + "]"); }
std::string cut(const std::string& step) { return with("\"pre_tokenizer\":" + step); }
std::string split(const std::string& pattern) {
  return cut(R"({"type":"Split","pattern":)" + pattern + R"(,"behavior":"Isolated"})");
}

TEST(HostileTokenizerFile, TheHonestOneIsRead) {
  EXPECT_EQ(make_bpe_tokenizer(parse_json(with(R"("added_tokens":[])"), "x"))->size(), 3);
}

TEST(HostileTokenizerFile, ItIsJsonWithAModel) {
  expect_json_refused({{"", Kind::decode, "tokenizer.json is empty"},
                       {"{", Kind::decode, "is not valid JSON"},
                       {"[]", Kind::decode, "has no model"},
                       {"{}", Kind::decode, "has no model"},
                       {R"({"model":null})", Kind::decode, "has no vocab"},
                       {R"({"model":[]})", Kind::decode, "has no vocab"},
                       {R"({"model":{},"model":{}})", Kind::decode, "the key model twice"},
                       {model(R"("type":null)"), Kind::decode, "model is null, not a string"},
                       {model(R"("type":"WordPiece")"), Kind::model, "WordPiece is not one"},
                       {model(R"("type":"bpe")"), Kind::model, "the tokenizer model bpe"},
                       {model(R"("byte_fallback":true)"), Kind::model, "byte_fallback"},
                       {model(R"("byte_fallback":1)"), Kind::decode, "a number, not a boolean"},
                       {model(R"("ignore_merges":"x",)" + kVocab + R"(,"merges":[])"), Kind::decode,
                        "a string, not a boolean"}});
}

TEST(HostileTokenizerFile, IdsAreNumbersInRangeAndPiecesAreTexts) {
  expect_json_refused({{vocab("[]"), Kind::decode, "vocab is a list, not an object"},
                       {vocab("null"), Kind::decode, "vocab is null, not an object"},
                       {vocab(R"({"a":"0"})"), Kind::decode, "vocab is a string, not a whole"},
                       {vocab(R"({"a":null})"), Kind::decode, "vocab is null, not a whole"},
                       {vocab(R"({"a":0.5})"), Kind::decode, "0.5, not a whole number"},
                       {vocab(R"({"a":-1})"), Kind::model, "vocab: the id -1 is out of range"},
                       {vocab(R"({"a":65539})"), Kind::model, "the id 65539 is out of range"},
                       {vocab(R"({"a":2147483648})"), Kind::model, "the id 2147483648 is out"},
                       {vocab(R"({"a":9223372036854775807})"), Kind::model, "is out of range"},
                       {vocab(R"({"a":18446744073709551615})"), Kind::decode, "out of range"},
                       {vocab(R"({"":0})"), Kind::limit, "a token of 0 bytes"},
                       {vocab("{\"" + std::string(8193, 'x') + "\":0}"), Kind::limit, "8193 bytes"},
                       {vocab(R"({"a":0,"b":0})"), Kind::model, "a and b have the same id"},
                       {vocab(R"({"a":0,"a":0})"), Kind::decode, "the key a twice"},
                       {vocab(R"({"a\u0000":0})"), Kind::decode, "a key with a NUL byte"},
                       {vocab(R"({"Ġ":0,"\u0120":1})"), Kind::decode, "twice"}});
}

TEST(HostileTokenizerFile, MergesAreTwoTokensThatMakeOne) {
  expect_json_refused({{model(kVocab), Kind::decode, "merges has no merges"},
                       {merges("{}"), Kind::decode, "merges is an object, not a list"},
                       {merges("[7]"), Kind::decode, "merges is a number, not a string"},
                       {merges(R"(["ab"])"), Kind::model, "merges: ab is not two tokens"},
                       {merges(R"([""])"), Kind::model, "is not two tokens"},
                       {merges(R"([" "])"), Kind::model, "merge 0 joins  and "},
                       {merges(R"([" b"])"), Kind::model, "merge 0 joins  and b"},
                       {merges(R"(["a "])"), Kind::model, "merge 0 joins a and "},
                       {merges(R"(["a b","b a"])"), Kind::model, "merge 1 joins b and a"},
                       {merges(R"(["a b c"])"), Kind::model, "merge 0 joins a and b c"},
                       {merges(R"([[]])"), Kind::model, "a merge has 0 parts"},
                       {merges(R"([["a"]])"), Kind::model, "a merge has 1 parts"},
                       {merges(R"([["a",1]])"), Kind::decode, "a number, not a string"},
                       {merges(R"([["a","\u001b"]])"), Kind::model, "joins a and \\x1b"}});
}

TEST(HostileTokenizerFile, AddedTokensHaveATextAndAnIdOfTheirOwn) {
  expect_json_refused(
      {{with(R"("added_tokens":{})"), Kind::decode, "added_tokens is an object"},
       {added("7"), Kind::decode, "has no content"},
       {added(R"({"id":3})"), Kind::decode, "has no content"},
       {added(R"({"content":"x"})"), Kind::decode, "has no id"},
       {added(R"({"id":3,"content":7})"), Kind::decode, "a number, not a string"},
       {added(R"({"id":3,"content":""})"), Kind::limit, "a token of 0 bytes"},
       {added(R"({"id":-1,"content":"x"})"), Kind::model, "the id -1 is out"},
       {added(R"({"id":99999999,"content":"x"})"), Kind::model, "99999999 is out"},
       {added(R"({"id":0,"content":"x"})"), Kind::model, "a and x have the same"},
       {added(R"({"id":3,"content":"x","special":1})"), Kind::decode, "a number, not a boolean"},
       {added(R"({"id":3,"content":"x"},{"id":4,"content":"x"})"), Kind::model,
        "the token x twice"}});
}

TEST(HostileTokenizerFile, WhatChangesOrCutsTheTextIsKnown) {
  expect_json_refused(
      {{with(R"("normalizer":7)"), Kind::decode, "normalizer has no type"},
       {with(R"("normalizer":{"type":"Replace"})"), Kind::model, "the normalizer Replace"},
       {with(R"("normalizer":{"type":"Sequence"})"), Kind::decode, "has no normalizers"},
       {cut("[]"), Kind::decode, "pre_tokenizer has no type"},
       {cut(R"({"type":"Bert"})"), Kind::model, "the pre-tokenizer Bert is not one"},
       {cut(R"({"type":"Sequence"})"), Kind::decode, "has no pretokenizers"},
       {cut(R"({"type":"Sequence","pretokenizers":7})"), Kind::decode, "a number, not a list"},
       {cut(R"({"type":"Split"})"), Kind::decode, "has no pattern"},
       {split("{}"), Kind::decode, "has no String"},
       {split(R"({"Regex":7})"), Kind::decode, "a number, not a string"},
       {split(R"({"Regex":"("})"), Kind::model, "regex is wrong at byte"},
       {split(R"({"Regex":"a{99999}"})"), Kind::model, "regex is wrong at byte"},
       {split(R"({"Regex":"(?R)+\\K"})"), Kind::model, "has \\K, which does not run"},
       {split(R"({"Regex":"(?C1)\\C"})"), Kind::model, "regex is wrong"},
       {cut(R"({"type":"ByteLevel","use_regex":7})"), Kind::decode, "a number, not a boolean"},
       {with(R"("post_processor":{"processors":7})"), Kind::decode, "a number, not a list"},
       {with(R"("post_processor":{"single":7})"), Kind::decode, "a number, not a list"}});
}

// --- tokenizer.model -----------------------------------------------------------------------------

std::string piece(const std::string& text, std::uint64_t type, float score = 0) {
  return proto_bytes(1, proto_bytes(1, text) + proto_float(2, score) + proto_number(3, type));
}
std::string specs(std::uint64_t kind = 2, const std::string& normalizer = proto_number(4, 0)) {
  return proto_bytes(2, proto_number(3, kind)) + proto_bytes(3, normalizer);
}
const std::string kPieces =
    piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) + piece("\u2581", 1) + piece("a", 1);

void expect_model_refused(const std::vector<Lie>& lies) {
  expect_refused(lies, [](const std::string& bytes) {
    make_sentencepiece_tokenizer(as_bytes(bytes), "tokenizer.model");
  });
}
std::string with_map(const std::string& map) {
  return kPieces + specs(2, proto_number(4, 0) + proto_bytes(2, map));
}

TEST(HostileSentencepieceFile, TheHonestOneIsReadAndRefusedAtEveryLength) {
  const std::string whole = kPieces + specs();
  EXPECT_EQ(make_sentencepiece_tokenizer(as_bytes(whole), "x")->size(), 5);
  for (std::size_t size = 0; size < kPieces.size(); ++size)
    EXPECT_NE(
        test::failure([&] { make_sentencepiece_tokenizer(as_bytes(whole.substr(0, size)), "x"); }),
        "nothing")
        << size;
}

TEST(HostileSentencepieceFile, TheWireFormatIsWalked) {
  const std::string over(10, '\xff');
  expect_model_refused(
      {{"", Kind::decode, "tokenizer.model has no pieces"},
       {"\x0a", Kind::truncated, "wants 1 bytes at 1, and has 0"},
       {"\x0a\x05", Kind::truncated, "wants 5 bytes at 2, and has 0"},
       {"\x0a" + varint(UINT64_MAX), Kind::truncated, "wants 18446744073709551615"},
       {"\x0a" + varint(1ull << 63), Kind::truncated, "wants 92233720368547758"},
       {over, Kind::decode, "a number of more than 64 bits"},
       {"\x0a" + over, Kind::decode, "a number of more than 64 bits"},
       {"\x0b", Kind::decode, "a field of wire type 3"},
       {"\x0c", Kind::decode, "a field of wire type 4"},
       {"\x0e", Kind::decode, "a field of wire type 6"},
       {"\x0f", Kind::decode, "a field of wire type 7"},
       {"\x09"
        "1234567",
        Kind::truncated, "wants 8 bytes"},
       {"\x0d"
        "123",
        Kind::truncated, "wants 4 bytes"},
       {proto_bytes(1, "\x0a\x7fx"), Kind::truncated, "wants 127 bytes"},
       {specs(), Kind::decode, "has no pieces"},
       {"{\"model\":{}}", Kind::decode, "wire type"},
       {"GGUF\3\0\0\0", Kind::decode, "wire type"}});
}

TEST(HostileSentencepieceFile, PiecesHaveATextAndAType) {
  expect_model_refused(
      {{kPieces + proto_bytes(1, "") + specs(), Kind::limit, "a piece of 0 bytes"},
       {kPieces + piece("", 1) + specs(), Kind::limit, "a piece of 0 bytes"},
       {kPieces + piece(std::string(1025, 'x'), 1) + specs(), Kind::limit, "a piece of 1025 bytes"},
       {kPieces + piece(std::string(100'000, 'x'), 1) + specs(), Kind::limit, "of 100000 bytes"},
       {kPieces + piece("x", 0) + specs(), Kind::decode, "a piece of type 0"},
       {kPieces + piece("x", 7) + specs(), Kind::decode, "a piece of type 7"},
       {kPieces + piece("x", UINT64_MAX) + specs(), Kind::decode, "of type 18446744073709551615"},
       {kPieces + piece("<0x-1>", 6) + specs(), Kind::decode, "the byte piece <0x-1>"},
       {kPieces + piece("<0xGG>", 6) + specs(), Kind::decode, "the byte piece <0xGG>"},
       {kPieces + piece("<0x100>", 6) + specs(), Kind::decode, "the byte piece <0x100>"},
       {kPieces + piece("<0xab>", 6) + specs(), Kind::decode, "the byte piece <0xab>"},
       {kPieces + piece("\x1b[2J", 6) + specs(), Kind::decode, "the byte piece \\x1b[2J"},
       {kPieces + piece("a", 1) + specs(), Kind::model, "already defined"},
       {kPieces + piece("<u>", 2) + specs(), Kind::model, "tokenizer.model: "},
       {piece("a", 1) + specs(), Kind::model, "tokenizer.model: "},
       {piece("<unk>", 3) + specs(), Kind::model, "tokenizer.model: "}});
}

TEST(HostileSentencepieceFile, TheCharacterMapStaysInsideItself) {
  const std::string trie(1024, '\0'), value = test::u32(0x80000005),
                                      jump = test::u32(0xFFFFu << 10);
  const std::string outside = "a character map that jumps out of itself";
  expect_model_refused(
      {{with_map("123"), Kind::truncated, "wants 4 bytes"},
       {with_map(test::u32(0xFFFFFFFF)), Kind::truncated, "wants 4294967295 bytes"},
       {with_map(test::u32(8) + "1234"), Kind::truncated, "wants 8 bytes"},
       {with_map(test::u32(0)), Kind::decode, "does not end where it should"},
       {with_map(test::u32(4) + std::string(4, '\0')), Kind::decode, "does not end where it"},
       {with_map(test::u32(3) + "123" + std::string(1, '\0')), Kind::decode, "does not end where"},
       {with_map(test::u32(4) + value + "ab"), Kind::decode, "does not end where it should"},
       {with_map(test::u32(4) + value + std::string("ab\0", 3)), Kind::decode, outside},
       {with_map(test::u32(1028) + trie + jump + std::string(1, '\0')), Kind::decode, outside},
       {with_map(test::u32(4) + test::u32(0) + std::string(1, '\0')), Kind::decode, outside},
       {kPieces + specs() + proto_bytes(5, proto_bytes(2, "123")), Kind::truncated, "4 bytes"},
       {kPieces + specs(2, proto_number(4, 1)), Kind::model, "drops spaces of the text"},
       {kPieces + specs(2, ""), Kind::model, "drops spaces of the text"},
       {kPieces + specs(2, "\x22\x7f"), Kind::truncated, "wants 127 bytes"}});
}

TEST(HostileSentencepieceFile, MoreThan64MiBAreNotWalked) {
  expect_refused({{std::string((std::size_t{64} << 20) + 1, '\0'), Kind::limit,
                   "has 67108865 bytes; at most 67108864"}},
                 [](const std::string& bytes) {
                   make_sentencepiece_tokenizer(as_bytes(bytes), "tokenizer.model");
                 });
}

}  // namespace
}  // namespace r1
