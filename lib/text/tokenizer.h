#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"

namespace r1 {

using TokenId = std::int32_t;

// Text to ids and back. Thread-safe once made.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of a text. Markers (control tokens) in it are ordinary bytes; any bytes are taken.
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  // The same as the continuation of other text: without the leading space that some tokenizers add.
  virtual std::vector<TokenId> encode_continued(std::string_view text) const {
    return encode(text);
  }
  // The bytes a token stands for; nothing for a marker and for ids past the vocabulary.
  virtual std::string_view bytes(TokenId id) const = 0;
  virtual std::int64_t size() const = 0;  // ids are 0 … size - 1
  // The id whose text is exactly this ("<|fim_prefix|>"), marker or not.
  virtual std::optional<TokenId> find(std::string_view token) const = 0;
  virtual bool is_marker(TokenId id) const = 0;
  // The text by which `find` finds a marker; nothing for other ids. Slow: for people.
  virtual std::string_view marker_text(TokenId id) const = 0;

  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  bool add_bos() const { return add_bos_; }  // does a plain prompt begin with BOS?

 protected:
  std::optional<TokenId> bos_, eos_;
  bool add_bos_ = false;
};

// tokenizer.model, tokenizer.json or GGUF metadata, whichever the model has.
// `data_dir` holds pretokenizers.json, for GGUF files that only name their pre-tokenizer.
std::unique_ptr<Tokenizer> load_tokenizer(const ModelFiles& files,
                                          const std::filesystem::path& data_dir);

// Text of a prompt that we write: markers by id, everything else encoded as user text.
struct PromptPart {
  enum class Kind {
    text,       // as it stands alone
    continued,  // goes on where something stood before (Tokenizer::encode_continued)
    marker,     // `text` is the exact text of one
    bos         // the tokenizer's, where it has one; `text` is empty
  };
  std::string text;
  Kind kind = Kind::text;
  auto operator<=>(const PromptPart&) const = default;
};
// Fails with `model` when a marker is not in the vocabulary. BOS is added when `add_bos`.
std::vector<TokenId> encode_parts(const Tokenizer& tokenizer, const std::vector<PromptPart>& parts,
                                  bool add_bos);

}  // namespace r1
