#include "lib/text/sentencepiece_proto.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

namespace r1 {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::size_t kLongestPiece = 1024;
constexpr std::size_t kMostPieces = 2'097'152;
constexpr std::uint64_t kBpe = 2;  // a model_type

// Protocol buffers' wire format: varints, and fields numbered with a type.
enum Wire : std::uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint64_t number = 0, value = 0;
  Wire wire = varint;
  ByteSpan content;  // of a `bytes` field
};

class Message {
 public:
  Message(ByteSpan content, std::string_view name) : reader_(content, name), name_(name) {}

  bool next(Field& field) {
    if (reader_.remaining() == 0) return false;
    const std::uint64_t tag = read_varint();
    field = {.number = tag >> 3, .wire = static_cast<Wire>(tag & 7)};
    switch (field.wire) {
      case varint:
        field.value = read_varint();
        return true;
      case fixed64:
        field.value = reader_.read<std::uint64_t>();
        return true;
      case bytes:
        field.content = reader_.take(read_varint());
        return true;
      case fixed32:
        field.value = reader_.read<std::uint32_t>();
        return true;
    }
    fail(ErrorKind::decode, "{} has a field of wire type {}", name_, tag & 7);
  }

 private:
  std::uint64_t read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = reader_.read<std::uint8_t>();
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail(ErrorKind::decode, "{} has a number of more than 64 bits", name_);
  }

  ByteReader reader_;
  std::string name_;
};

bool is_byte_piece(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && digit(text[3]) &&
         digit(text[4]);
}

void check_piece(const SentencepieceModel::Piece& piece, std::string_view name) {
  if (piece.text.empty() || piece.text.size() > kLongestPiece)
    fail(ErrorKind::limit, "{} has a piece of {} bytes", name, piece.text.size());
  if (piece.type == PieceType::byte && !is_byte_piece(piece.text))
    fail(ErrorKind::decode, "{} has the byte piece {}", name, escaped(piece.text));
}

SentencepieceModel::Piece read_piece(ByteSpan content, std::string_view name) {
  SentencepieceModel::Piece piece;
  Message message(content, name);
  for (Field f; message.next(f);) {
    if (f.number == 1 && f.wire == bytes) piece.text = std::string(as_text(f.content));
    if (f.number == 2 && f.wire == fixed32)
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
    if (f.number == 3 && f.wire == varint) {
      if (f.value < 1 || f.value > 6)
        fail(ErrorKind::decode, "{} has a piece of type {}", name, f.value);
      piece.type = static_cast<PieceType>(f.value);
    }
  }
  check_piece(piece, name);
  return piece;
}

// The character map: u32 size of a double-array trie, its units, then NUL-terminated strings. A
// unit with the high bit is a value, a place among the strings; any other one jumps to place ^
// offset ^ (a byte), which must stay inside. Layout: the darts-clone double array.
void check_character_map(ByteSpan map, std::string_view name) {
  if (map.empty()) return;
  ByteReader reader(map, name);
  const auto trie_bytes = reader.read<std::uint32_t>();
  const ByteSpan trie = reader.take(trie_bytes);
  const std::size_t strings = reader.remaining(), units = trie.size() / 4;
  if (trie_bytes % 4 != 0 || strings == 0 || map.back() != std::byte{0})
    fail(ErrorKind::decode, "{} has a character map of {} bytes that does not end where it should",
         name, map.size());
  for (std::size_t i = 0; i < units; ++i) {
    std::uint32_t unit = 0;
    std::memcpy(&unit, trie.data() + 4 * i, 4);
    const std::size_t offset = std::size_t{unit >> 10} << ((unit & (1u << 9)) >> 6);
    const bool inside =
        (unit >> 31) != 0 ? (unit & 0x7FFFFFFFu) < strings : ((i ^ offset) | 0xFF) < units;
    if (!inside) fail(ErrorKind::decode, "{} has a character map that jumps out of itself", name);
  }
}

void read_normalizer(SentencepieceModel& model, ByteSpan content, std::string_view name) {
  Message message(content, name);
  for (Field f; message.next(f);) {
    if (f.number == 2 && f.wire == bytes) {
      check_character_map(f.content, name);
      model.maps_characters = !f.content.empty();
    }
    if (f.number == 3 && f.wire == varint)
      model.leading_space = f.value == 0   ? LeadingSpace::none
                            : f.value == 2 ? LeadingSpace::unless_there
                                           : LeadingSpace::always;
    if (f.number == 4 && f.wire == varint) model.removes_spaces = f.value != 0;
  }
}

void read_trainer(SentencepieceModel& model, ByteSpan content, std::string_view name) {
  Message message(content, name);
  for (Field f; message.next(f);)
    if (f.number == 3 && f.wire == varint) model.merges_pairs = f.value == kBpe;
}

// Writes the wire format.
class Writer {
 public:
  void number(std::uint64_t field, std::uint64_t value) {
    append_varint(field << 3);
    append_varint(value);
  }
  void text(std::uint64_t field, std::string_view content) {
    append_varint(field << 3 | bytes);
    append_varint(content.size());
    out_ += content;
  }
  void real(std::uint64_t field, float value) {
    append_varint(field << 3 | fixed32);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  const std::string& out() const { return out_; }

 private:
  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7F) | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

}  // namespace

SentencepieceModel check_sentencepiece_proto(ByteSpan proto, std::string_view name) {
  const std::string where = escaped(name);
  if (proto.size() > kMostBytes)
    fail(ErrorKind::limit, "{} has {} bytes; at most {} are read", where, proto.size(), kMostBytes);
  SentencepieceModel model;
  Message message(proto, where);
  for (Field f; message.next(f);) {
    if (f.number == 1 && f.wire == bytes) {
      if (model.pieces.size() == kMostPieces)
        fail(ErrorKind::limit, "{} has too many pieces", where);
      model.pieces.push_back(read_piece(f.content, where));
    }
    if (f.wire == bytes && (f.number == 2 || f.number == 3 || f.number == 5))
      model.specs.emplace_back(f.number, as_text(f.content));
    if (f.number == 2 && f.wire == bytes) read_trainer(model, f.content, where);
    SentencepieceModel unused;  // field 5 is for decoding: only its map is looked at
    if ((f.number == 3 || f.number == 5) && f.wire == bytes)
      read_normalizer(f.number == 3 ? model : unused, f.content, where);
  }
  if (model.pieces.empty()) fail(ErrorKind::decode, "{} has no pieces", where);
  return model;
}

std::string sentencepiece_proto(const SentencepieceModel& model) {
  Writer proto;
  for (const SentencepieceModel::Piece& piece : model.pieces) {
    Writer fields;
    fields.text(1, piece.text);
    fields.real(2, piece.score);
    fields.number(3, static_cast<std::uint64_t>(piece.type));
    proto.text(1, fields.out());
  }
  for (const auto& [number, content] : model.specs) proto.text(number, content);
  return proto.out();
}

std::string sentencepiece_proto(std::vector<SentencepieceModel::Piece> pieces,
                                LeadingSpace leading_space) {
  SentencepieceModel model{std::move(pieces)};
  const auto unknown =
      std::find_if(model.pieces.begin(), model.pieces.end(),
                   [](const auto& piece) { return piece.type == PieceType::unknown; });
  Writer trainer;
  trainer.number(3, kBpe);
  trainer.number(4, model.pieces.size());
  trainer.number(35, 1);  // byte_fallback
  trainer.number(40, static_cast<std::uint64_t>(unknown - model.pieces.begin()));
  Writer normalizer;
  normalizer.text(1, "identity");
  normalizer.number(3, static_cast<std::uint64_t>(leading_space));
  normalizer.number(4, 0);  // remove_extra_whitespaces
  normalizer.number(5, 1);  // escape_whitespaces
  model.specs = {{2, trainer.out()}, {3, normalizer.out()}};
  return sentencepiece_proto(model);
}

}  // namespace r1
