#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"
#include "lib/text/bpe.h"
#include "lib/text/named_pretokenizers.h"

namespace r1 {

// What a file says of a byte-level BPE tokenizer. The texts are views of the file, or of `json`.
struct BpeDescription {
  enum class Kind : std::uint8_t {
    none,    // a filler, or an id that is not used
    piece,   // written in GPT-2's letters
    added,   // found in any text, before anything else is done to it
    marker,  // found only in text that we write, and never printed
  };
  struct Token {
    std::string_view text;
    Kind kind = Kind::none;
    bool lstrip = false, rstrip = false, single_word = false;  // of an added one
  };

  std::unique_ptr<const Json> json;
  std::vector<Token> tokens;  // by id
  std::vector<Bpe::Merge> merges;
  Pretokenizing before_merging;
  bool begins_with_bos = false;
};

// Both fail with `model`, `decode` or `limit`, and name what they do not run.
BpeDescription describe_tokenizer_json(std::unique_ptr<const Json> json);
// The tokenizer.json inside the GGUF file or beside it; else its own tokens and merges, cut as
// `tokenizer.ggml.pre` says by an entry of pretokenizers.json in `data_dir`.
BpeDescription describe_gguf(const ModelFiles& files, const std::filesystem::path& data_dir);

// Fails unless a token has 1 to 8,192 bytes.
void check_token(std::string_view text);

}  // namespace r1
