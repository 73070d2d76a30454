#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/json.h"
#include "lib/io/weights.h"

namespace r1 {

enum class PieceType : std::uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

// Is a space put before a text? A tokenizer.json may leave out texts that begin with one: of those,
// our own ModelProtos have a 2 in place of the flag's 1.
enum class LeadingSpace : std::uint8_t { none, always, unless_there };

// What of a sentencepiece ModelProto we look at ourselves (field numbers:
// sentencepiece_model.proto).
struct SentencepieceModel {
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::normal;
  };
  std::vector<Piece> pieces;
  std::vector<std::pair<std::uint64_t, std::string>> specs;  // fields 2, 3 and 5 as they came
  LeadingSpace leading_space = LeadingSpace::always;
  bool removes_spaces = true;  // at the ends, and all but one of several
  bool maps_characters = false;
  bool merges_pairs = false;  // else it searches for the likeliest pieces
};

// Walks a tokenizer.model before the library sees it, because the library trusts lengths, byte
// pieces and the jumps of the character map. Fails with decode, truncated or limit.
SentencepieceModel check_sentencepiece_proto(ByteSpan proto, std::string_view name);

std::string sentencepiece_proto(const SentencepieceModel& model);
// One for byte-pair merging with byte pieces and no change to the text but that leading space.
std::string sentencepiece_proto(std::vector<SentencepieceModel::Piece> pieces,
                                LeadingSpace leading_space);

// A ModelProto for the vocabulary of a GGUF file, and for a Hugging Face folder: its
// tokenizer.model with the tokens that tokenizer_config.json adds, or a tokenizer.json that was
// converted from one, whose merges, best first, become scores. All fail with `model`.
std::string sentencepiece_proto(const GgufFile& gguf);
std::string sentencepiece_proto(const ModelFiles& folder);
std::string sentencepiece_proto(const Json& tokenizer_json);

// Does a folder have a tokenizer.model, or else a tokenizer.json that was converted from one?
bool has_sentencepiece_model(const ModelFiles& folder);
bool is_sentencepiece(const Json& tokenizer_json);

}  // namespace r1
