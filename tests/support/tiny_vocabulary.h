#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/io/gguf.h"
#include "lib/text/bpe_tokenizer.h"
#include "lib/text/byte_letters.h"
#include "lib/text/sentencepiece_proto.h"
#include "lib/text/sentencepiece_tokenizer.h"

// Vocabularies small enough to work out ids by hand.
namespace r1::test {

class StringOutput : public Output {
 public:
  void write(std::string_view text) override { text_ += text; }
  void flush() override {}
  void close() override {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

using GgufEntries = std::vector<std::pair<std::string, GgufEntry>>;

inline std::string gguf_bytes(const GgufEntries& entries) {
  StringOutput out;
  write_gguf(out, entries, {});
  return out.text();
}

// A tokenizer.json: byte b is id b, merge n makes id 256 + n. The rest is JSON as it stands there.
struct TinyBpe {
  std::vector<std::pair<std::string, std::string>> merges;  // in letters
  std::string added = "[]", normalizer = "null", pre_tokenizer = "null", post_processor = "null";
  bool ignore_merges = false;

  std::string json() const {
    JsonWriter vocab, list;
    vocab.begin_object();
    list.begin_array();
    for (int b = 0; b < 256; ++b)
      vocab.key(letters_of(std::string(1, static_cast<char>(b)))).integer(b);
    std::int64_t id = 256;
    for (const auto& [left, right] : merges) {
      vocab.key(left + right).integer(id++);
      list.string(left + " " + right);
    }
    vocab.end_object();
    list.end_array();
    return fmt::format(
        R"({{"added_tokens":{},"normalizer":{},"pre_tokenizer":{},"post_processor":{},)"
        R"("model":{{"type":"BPE","ignore_merges":{},"vocab":{},"merges":{}}}}})",
        added, normalizer, pre_tokenizer, post_processor, ignore_merges, vocab.text(), list.text());
  }
  std::unique_ptr<Tokenizer> make() const {
    return make_bpe_tokenizer(parse_json(json(), "tokenizer.json"));
  }
};

// Metadata of a sentencepiece vocabulary: <unk>, <s>, </s>, the control tokens, byte b as id
// 3 + control + b, then the pieces, best first.
struct TinySentencepiece {
  std::vector<std::string> pieces, control = {};
  bool add_space_prefix = false;
  GgufEntries more = {};

  std::string gguf() const {
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
    std::vector<std::int32_t> types = {2, 3, 3};
    const auto add = [&](const std::string& text, std::int32_t type) {
      tokens.push_back(text);
      types.push_back(type);
    };
    for (const std::string& token : control) add(token, 3);
    for (int b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), 6);
    std::vector<float> scores(tokens.size(), 0.0f);
    for (const std::string& piece : pieces) {
      add(piece, 1);
      scores.push_back(-1.0f - static_cast<float>(scores.size()));
    }
    GgufEntries entries = {{"general.architecture", std::string("r1")},
                           {"tokenizer.ggml.model", std::string("llama")},
                           {"tokenizer.ggml.tokens", tokens},
                           {"tokenizer.ggml.scores", scores},
                           {"tokenizer.ggml.token_type", types},
                           {"tokenizer.ggml.bos_token_id", 1u},
                           {"tokenizer.ggml.eos_token_id", 2u},
                           {"tokenizer.ggml.unknown_token_id", 0u},
                           {"tokenizer.ggml.add_space_prefix", add_space_prefix}};
    entries.insert(entries.end(), more.begin(), more.end());
    return gguf_bytes(entries);
  }
  std::unique_ptr<Tokenizer> make() const {
    const std::string bytes = gguf();
    const std::string proto = sentencepiece_proto(GgufFile::parse(as_bytes(bytes), "tiny.gguf"));
    return make_sentencepiece_tokenizer(as_bytes(proto), "tiny.gguf");
  }
};

}  // namespace r1::test
