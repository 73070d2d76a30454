#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/bytes.h"
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
  bool add_dummy_prefix = true;
  bool removes_spaces = true;  // at the ends, and all but one of several
};

// Walks a tokenizer.model before the library sees it, because the library trusts lengths, byte
// pieces and the jumps of the character map. Fails with decode, truncated or limit.
SentencepieceModel check_sentencepiece_proto(ByteSpan proto, std::string_view name);

// A ModelProto for the vocabulary of a GGUF file. Fails with `model`.
std::string sentencepiece_proto(const GgufFile& gguf);

}  // namespace r1
