#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1 {

// Strings to ids by open addressing: 150,000 pieces in a few milliseconds. Keys are views.
class PieceTable {
 public:
  void reserve(std::size_t pieces);
  bool insert(std::string_view key, TokenId id);  // false when the key is there already
  TokenId find(std::string_view key) const;       // -1: none

 private:
  struct Slot {
    std::string_view key;
    TokenId id = -1;
  };
  std::size_t place(std::string_view key) const;

  std::vector<Slot> slots_;
};

// Byte-pair merging over a vocabulary written in the 256 letters that GPT-2 gives to bytes.
class Bpe {
 public:
  // pieces[id] in letters; an empty one is no piece. merges are pairs of pieces, best first. The
  // strings outlive this. Fails with `model` when a merge names what is no piece.
  Bpe(std::span<const std::string_view> pieces,
      std::span<const std::pair<std::string_view, std::string_view>> merges, bool ignore_merges);

  // Appends the ids of one pre-token, given as raw bytes. Lowest rank first, then leftmost.
  void encode(std::vector<TokenId>& ids, std::string_view bytes) const;
  TokenId find(std::string_view letters) const { return table_.find(letters); }

 private:
  struct Merge {
    std::int64_t pair = -1;  // left id << 32 | right id
    std::int32_t rank = 0;
    TokenId whole = -1;
  };
  const Merge* merge_of(TokenId left, TokenId right) const;
  void add_merge(TokenId left, TokenId right, std::int32_t rank, TokenId whole);

  PieceTable table_;
  std::vector<Merge> merges_;  // open addressing by pair
  TokenId byte_ids_[256];
  bool ignore_merges_;
};

// Bytes in GPT-2's letters, and back: printable Latin-1 stands for itself, the other 68 bytes for
// U+0100 onwards. A character that is no such letter stays as it is.
std::string letters_of(std::string_view bytes);
std::string bytes_of(std::string_view letters);

}  // namespace r1
