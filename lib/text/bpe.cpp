#include "lib/text/bpe.h"

#include <bit>
#include <functional>
#include <queue>

#include "lib/base/error.h"
#include "lib/text/byte_letters.h"

namespace r1 {
namespace {

std::int64_t pair_key(TokenId left, TokenId right) {
  return std::int64_t{left} << 32 | static_cast<std::uint32_t>(right);
}

// A place for a key in a table of `size`, a power of two from 2 on: the upper bits of a product,
// for all bits of the key reach them (the multiplier is 2^64 divided by the golden ratio).
std::size_t spread(std::int64_t key, std::size_t size) {
  return (static_cast<std::uint64_t>(key) * 0x9E3779B97F4A7C15ull) >> (64 - std::countr_zero(size));
}

// The symbols of a pre-token under merging, as a linked list, and a heap of the merges that are
// possible now. A candidate whose symbols have changed since is stale and skipped.
struct Symbol {
  TokenId id;
  std::int32_t before, after;
};
struct Candidate {
  std::int32_t rank, at;
  TokenId left, right;
  bool operator>(const Candidate& c) const { return std::pair(rank, at) > std::pair(c.rank, c.at); }
};

}  // namespace

void PieceTable::reserve(std::size_t pieces, std::size_t bytes) {
  slots_.assign(std::bit_ceil(2 * pieces + 2), {});
  ends_.reserve(pieces);
  bytes_.reserve(bytes);
}

std::size_t PieceTable::place(std::string_view piece, std::uint32_t& tag) const {
  const std::uint64_t hash = std::hash<std::string_view>{}(piece);
  tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t i = hash & (slots_.size() - 1);
  while (slots_[i].id >= 0 && (slots_[i].tag != tag || (*this)[slots_[i].id] != piece))
    i = (i + 1) & (slots_.size() - 1);
  return i;
}

bool PieceTable::add(std::string_view piece, bool can_be_found) {
  bytes_ += piece;
  ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  if (!can_be_found) return true;
  std::uint32_t tag = 0;
  Slot& slot = slots_[place(piece, tag)];
  if (slot.id >= 0) return false;
  slot = {tag, size() - 1};
  return true;
}

TokenId PieceTable::find(std::string_view piece) const {
  std::uint32_t tag = 0;
  return slots_[place(piece, tag)].id;
}

std::string_view PieceTable::operator[](TokenId id) const {
  const auto i = static_cast<std::size_t>(id);
  const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(bytes_).substr(begin, ends_[i] - begin);
}

Bpe::Bpe(PieceTable pieces, std::span<const Merge> merges, bool ignore_merges)
    : pieces_(std::move(pieces)), ignore_merges_(ignore_merges) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_ids_[byte] = pieces_.find({&c, 1});
  }
  rules_.assign(std::bit_ceil(2 * merges.size() + 2), {});
  add_rules(merges);
}

void Bpe::add_rules(std::span<const Merge> merges) {
  std::string whole;
  TokenId likely = 0;  // merges mostly make the tokens in the order of their ids
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    whole.clear();
    append_bytes_of(whole, merges[rank].first);
    const std::size_t cut = whole.size();
    append_bytes_of(whole, merges[rank].second);
    const std::string_view text = whole;
    const bool guessed = likely < pieces_.size() && pieces_[likely] == text;
    const TokenId a = pieces_.find(text.substr(0, cut)), b = pieces_.find(text.substr(cut));
    const TokenId both = guessed ? likely : pieces_.find(text);
    if (a < 0 || b < 0 || both < 0)
      fail(ErrorKind::model, "merge {} joins {} and {}, of which one or the whole is no token",
           rank, escaped(merges[rank].first), escaped(merges[rank].second));
    likely = both + 1;
    const std::int64_t pair = pair_key(a, b);
    Rule& rule = rules_[place(pair)];
    if (rule.pair < 0)
      rule = {pair, static_cast<std::int32_t>(rank), both};  // of equals the first is the best
  }
}

std::size_t Bpe::place(std::int64_t pair) const {
  std::size_t i = spread(pair, rules_.size());
  while (rules_[i].pair >= 0 && rules_[i].pair != pair) i = (i + 1) & (rules_.size() - 1);
  return i;
}

const Bpe::Rule* Bpe::rule_of(TokenId left, TokenId right) const {
  const Rule& rule = rules_[place(pair_key(left, right))];
  return rule.pair >= 0 ? &rule : nullptr;
}

void Bpe::stand_in(unsigned char byte, TokenId id) {
  if (byte_ids_[byte] < 0) byte_ids_[byte] = id;
}

void Bpe::encode(std::vector<TokenId>& ids, std::string_view bytes) const {
  if (ignore_merges_)
    if (const TokenId whole = pieces_.find(bytes); whole >= 0) {
      ids.push_back(whole);
      return;
    }
  std::vector<Symbol> symbols;
  symbols.reserve(bytes.size());
  for (const char c : bytes) {
    const TokenId id = byte_ids_[static_cast<unsigned char>(c)];
    if (id < 0)
      fail(ErrorKind::model, "the vocabulary has no token for the byte 0x{:02x}",
           static_cast<unsigned char>(c));
    const auto i = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, i - 1, i + 1});
  }
  const auto count = static_cast<std::int32_t>(symbols.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
  const auto at = [&symbols](std::int32_t i) -> Symbol& {
    return symbols[static_cast<std::size_t>(i)];
  };
  const auto consider = [&](std::int32_t i) {
    if (i < 0 || at(i).after >= count) return;
    const TokenId left = at(i).id, right = at(at(i).after).id;
    if (const Rule* rule = rule_of(left, right)) heap.push({rule->rank, i, left, right});
  };
  for (std::int32_t i = 0; i + 1 < count; ++i) consider(i);
  while (!heap.empty()) {
    const Candidate c = heap.top();
    heap.pop();
    const std::int32_t right = at(c.at).after;
    if (at(c.at).id != c.left || right >= count || at(right).id != c.right) continue;
    at(c.at).id = rule_of(c.left, c.right)->whole;
    at(c.at).after = at(right).after;
    if (at(right).after < count) at(at(right).after).before = c.at;
    at(right).id = -1;
    consider(at(c.at).before);
    consider(c.at);
  }
  for (std::int32_t i = 0; i < count; i = at(i).after) ids.push_back(at(i).id);
}

}  // namespace r1
