#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1 {

// The pieces of a vocabulary as bytes, end to end, and their ids by open addressing: 150,000 pieces
// in a few milliseconds.
class PieceTable {
 public:
  void reserve(std::size_t pieces, std::size_t bytes);
  // The next id. Only a piece that can be found goes into the table; false when it is there
  // already.
  bool add(std::string_view piece, bool can_be_found);
  TokenId find(std::string_view piece) const;  // -1: none
  std::string_view operator[](TokenId id) const;
  TokenId size() const { return static_cast<TokenId>(ends_.size()); }

 private:
  struct Slot {
    std::uint32_t tag = 0;  // upper half of the hash: most others are seen to differ without a look
    TokenId id = -1;
  };
  std::size_t place(std::string_view piece, std::uint32_t& tag) const;

  std::string bytes_;
  std::vector<std::uint32_t> ends_;
  std::vector<Slot> slots_;
};

// Byte-pair merging over such a vocabulary.
class Bpe {
 public:
  using Merge = std::pair<std::string_view, std::string_view>;

  // Merges are pairs of pieces in GPT-2's letters, best first. Fails with `model` when one names
  // what is no piece.
  Bpe(PieceTable pieces, std::span<const Merge> merges, bool ignore_merges);

  // A token for a byte that is no piece itself.
  void stand_in(unsigned char byte, TokenId id);
  // Appends the ids of one pre-token. Lowest rank first, then leftmost. With `ignore_merges` a
  // pre-token that is a whole piece is that piece.
  void encode(std::vector<TokenId>& ids, std::string_view bytes) const;
  const PieceTable& pieces() const { return pieces_; }

 private:
  struct Rule {
    std::int64_t pair = -1;  // left id << 32 | right id
    std::int32_t rank = 0;
    TokenId whole = -1;
  };
  void add_rules(std::span<const Merge> merges);
  std::size_t place(std::int64_t pair) const;
  const Rule* rule_of(TokenId left, TokenId right) const;

  PieceTable pieces_;
  std::vector<Rule> rules_;  // open addressing by pair
  TokenId byte_ids_[256];
  bool ignore_merges_;
};

}  // namespace r1
