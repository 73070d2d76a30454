#include "lib/text/bpe.h"

#include <array>
#include <bit>
#include <functional>
#include <queue>

#include "lib/base/error.h"
#include "lib/base/utf8.h"

namespace r1 {
namespace {

bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// The letter of each byte.
std::array<char32_t, 256> byte_letters() {
  std::array<char32_t, 256> letters{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    letters[byte] = stands_for_itself(byte) ? byte : next++;
  return letters;
}

std::int64_t pair_key(TokenId left, TokenId right) {
  return std::int64_t{left} << 32 | static_cast<std::uint32_t>(right);
}

// Spreads the bits of a key over the table (the multiplier is 2^64 divided by the golden ratio).
std::size_t spread(std::uint64_t key, std::size_t size) {
  return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ull) >> 20) & (size - 1);
}

}  // namespace

std::string letters_of(std::string_view bytes) {
  static const std::array<char32_t, 256> kLetters = byte_letters();
  std::string out;
  for (const char c : bytes) append_utf8(out, kLetters[static_cast<unsigned char>(c)]);
  return out;
}

std::string bytes_of(std::string_view letters) {
  static const std::array<std::int16_t, 0x144> kBytes = [] {
    std::array<std::int16_t, 0x144> bytes{};
    bytes.fill(-1);
    const std::array<char32_t, 256> of = byte_letters();
    for (std::size_t b = 0; b < 256; ++b) bytes[of[b]] = static_cast<std::int16_t>(b);
    return bytes;
  }();
  std::string out;
  while (!letters.empty()) {
    const Utf8Step step = next_utf8(letters);
    if (step.valid && step.code_point < kBytes.size() && kBytes[step.code_point] >= 0)
      out += static_cast<char>(kBytes[step.code_point]);
    else
      out += letters.substr(0, step.bytes);
    letters.remove_prefix(step.bytes);
  }
  return out;
}

void PieceTable::reserve(std::size_t pieces) { slots_.assign(std::bit_ceil(2 * pieces + 2), {}); }

std::size_t PieceTable::place(std::string_view key) const {
  std::size_t i = std::hash<std::string_view>{}(key) & (slots_.size() - 1);
  while (slots_[i].id >= 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  return i;
}

bool PieceTable::insert(std::string_view key, TokenId id) {
  Slot& slot = slots_[place(key)];
  if (slot.id >= 0) return false;
  slot = {key, id};
  return true;
}

TokenId PieceTable::find(std::string_view key) const {
  return slots_.empty() ? -1 : slots_[place(key)].id;
}

Bpe::Bpe(std::span<const std::string_view> pieces,
         std::span<const std::pair<std::string_view, std::string_view>> merges, bool ignore_merges)
    : ignore_merges_(ignore_merges) {
  table_.reserve(pieces.size());
  for (std::size_t id = 0; id < pieces.size(); ++id)
    if (!pieces[id].empty() && !table_.insert(pieces[id], static_cast<TokenId>(id)))
      fail(ErrorKind::model, "the vocabulary has the token {} twice", escaped(pieces[id]));
  for (unsigned byte = 0; byte < 256; ++byte)
    byte_ids_[byte] = table_.find(letters_of(std::string(1, static_cast<char>(byte))));
  merges_.assign(std::bit_ceil(2 * merges.size() + 2), {});
  std::string whole;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    whole.assign(left).append(right);
    const TokenId a = table_.find(left), b = table_.find(right), both = table_.find(whole);
    if (a < 0 || b < 0 || both < 0)
      fail(ErrorKind::model, "merge {} joins {} and {}, of which one or the whole is no token",
           rank, escaped(left), escaped(right));
    add_merge(a, b, static_cast<std::int32_t>(rank), both);
  }
}

void Bpe::add_merge(TokenId left, TokenId right, std::int32_t rank, TokenId whole) {
  const std::int64_t key = pair_key(left, right);
  std::size_t i = spread(static_cast<std::uint64_t>(key), merges_.size());
  while (merges_[i].pair >= 0 && merges_[i].pair != key) i = (i + 1) & (merges_.size() - 1);
  if (merges_[i].pair < 0)
    merges_[i] = {key, rank, whole};  // the first of equals has the lower rank
}

const Bpe::Merge* Bpe::merge_of(TokenId left, TokenId right) const {
  const std::int64_t key = pair_key(left, right);
  std::size_t i = spread(static_cast<std::uint64_t>(key), merges_.size());
  while (merges_[i].pair >= 0 && merges_[i].pair != key) i = (i + 1) & (merges_.size() - 1);
  return merges_[i].pair == key ? &merges_[i] : nullptr;
}

void Bpe::encode(std::vector<TokenId>& ids, std::string_view bytes) const {
  if (ignore_merges_)
    if (const TokenId whole = table_.find(letters_of(bytes)); whole >= 0) {
      ids.push_back(whole);
      return;
    }
  // A linked list of symbols, and a heap of the merges that are possible now. An entry that names
  // symbols which have changed since is stale and skipped.
  struct Symbol {
    TokenId id;
    std::int32_t before, after;
  };
  struct Candidate {
    std::int32_t rank, at;
    TokenId left, right;
    bool operator>(const Candidate& c) const {
      return std::pair(rank, at) > std::pair(c.rank, c.at);
    }
  };
  std::vector<Symbol> symbols;
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
    if (const Merge* m = merge_of(left, right)) heap.push({m->rank, i, left, right});
  };
  for (std::int32_t i = 0; i + 1 < count; ++i) consider(i);
  while (!heap.empty()) {
    const Candidate c = heap.top();
    heap.pop();
    const std::int32_t right = at(c.at).after;
    if (at(c.at).id != c.left || right >= count || at(right).id != c.right) continue;
    at(c.at).id = merge_of(c.left, c.right)->whole;
    at(c.at).after = at(right).after;
    if (at(right).after < count) at(at(right).after).before = c.at;
    at(right).id = -1;
    consider(at(c.at).before);
    consider(c.at);
  }
  for (std::int32_t i = 0; i < count; i = at(i).after) ids.push_back(at(i).id);
}

}  // namespace r1
