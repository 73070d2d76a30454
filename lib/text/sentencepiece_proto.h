#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/json.h"
#include "lib/io/gguf.h"

namespace r1 {

enum class PieceType : std::uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

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
  bool add_dummy_prefix = true;
  bool removes_spaces = true;  // at the ends, and all but one of several
};

// Walks a tokenizer.model before the library sees it, because the library trusts lengths, byte
// pieces and the jumps of the character map. Fails with decode, truncated or limit.
SentencepieceModel check_sentencepiece_proto(ByteSpan proto, std::string_view name);

std::string sentencepiece_proto(const SentencepieceModel& model);
// One for byte-pair merging with byte pieces and no change to the text but that leading space.
std::string sentencepiece_proto(std::vector<SentencepieceModel::Piece> pieces,
                                bool add_dummy_prefix);

// A ModelProto for the vocabulary of a GGUF file, and for a tokenizer.json that was converted from
// sentencepiece: its merges, best first, become scores. Both fail with `model`.
std::string sentencepiece_proto(const GgufFile& gguf);
std::string sentencepiece_proto(const Json& tokenizer_json);

}  // namespace r1
