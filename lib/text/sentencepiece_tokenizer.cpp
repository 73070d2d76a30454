#include "lib/text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <unordered_map>

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/text/fim.h"
#include "lib/text/sentencepiece_proto.h"
#include "lib/text/special_tokens.h"

namespace r1 {
namespace {

constexpr char32_t kSpaceMark = 0x2581;  // sentencepiece's own letter for a space
constexpr std::string_view kSpaceMarkText = "\u2581";
// normalizer_spec {add_dummy_prefix: false}, to be merged into a ModelProto: the last one counts.
constexpr std::string_view kNoPrefix("\x1A\x02\x18\x00", 4);

std::string with_spaces(std::string_view piece) {
  std::string out;
  for (std::size_t at = 0; at < piece.size();) {
    const bool mark = piece.substr(at).starts_with(kSpaceMarkText);
    out += mark ? ' ' : piece[at];
    at += mark ? kSpaceMarkText.size() : 1;
  }
  return out;
}

class SentencepieceTokenizer : public Tokenizer {
 public:
  SentencepieceTokenizer(ByteSpan proto, std::string_view name) {
    SentencepieceModel model = check_sentencepiece_proto(proto, name);
    // A marker that the file lets match in any text would let a user's text end a prompt.
    for (SentencepieceModel::Piece& piece : model.pieces)
      if (piece.type == PieceType::user_defined && is_marker_text(piece.text))
        piece.type = PieceType::control;
    leading_space_ = model.leading_space;
    if (model.removes_spaces)
      fail(ErrorKind::model, "{} drops spaces of the text and does not run here", escaped(name));
    load(sentencepiece_proto(model), name);
    byte_ids_.fill(-1);
    for (const SentencepieceModel::Piece& piece : model.pieces) add(piece);
    if (processor_.GetPieceSize() != static_cast<int>(texts_.size()))
      fail(ErrorKind::model, "{} says it has {} pieces and has {}", escaped(name),
           processor_.GetPieceSize(), texts_.size());
  }

  void set_special(const SpecialTokens& special) {
    bos_ = special.bos;
    eos_ = special.eos;
    add_bos_ = special.add_bos && bos_.has_value();
  }

  std::vector<TokenId> encode(std::string_view text) const override {
    const bool spaced = text.starts_with(' ') || text.starts_with(kSpaceMarkText);
    return encode_runs(text, leading_space_ == LeadingSpace::always ||
                                 (leading_space_ == LeadingSpace::unless_there && !spaced));
  }
  std::vector<TokenId> encode_continued(std::string_view text) const override {
    return encode_runs(text, false);
  }
  std::string_view bytes(TokenId id) const override {
    return id >= 0 && id < size() ? texts_[static_cast<std::size_t>(id)] : std::string_view();
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(texts_.size()); }
  std::optional<TokenId> find(std::string_view token) const override {
    const auto found = ids_.find(std::string(token));
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  bool is_marker(TokenId id) const override {
    return id >= 0 && id < size() && markers_[static_cast<std::size_t>(id)];
  }
  std::string_view marker_text(TokenId id) const override {
    if (!is_marker(id)) return {};
    const auto named = std::find_if(ids_.begin(), ids_.end(),
                                    [id](const auto& name) { return name.second == id; });
    return named == ids_.end() ? std::string_view() : std::string_view(named->first);
  }

 private:
  void load(const std::string& proto, std::string_view name) {
    std::string why;
    try {
      const auto status = processor_.LoadFromSerializedProto(proto + std::string(kNoPrefix));
      if (!status.ok()) why = status.ToString();
    } catch (const std::exception& e) {  // its trie throws, at a piece that begins with NUL
      why = e.what();
    }
    if (!why.empty()) fail(ErrorKind::model, "{}: {}", escaped(name), escaped(why));
  }

  void add(const SentencepieceModel::Piece& piece) {
    const auto id = static_cast<TokenId>(texts_.size());
    ids_.emplace(piece.text, id);
    if (piece.type == PieceType::unknown) unknown_ = id;
    const bool marker = piece.type == PieceType::control || piece.type == PieceType::unknown;
    markers_.push_back(marker);
    if (piece.type == PieceType::byte) {
      unsigned value = 0;
      std::from_chars(piece.text.data() + 3, piece.text.data() + 5, value, 16);
      byte_ids_[value] = id;
      texts_.emplace_back(1, static_cast<char>(value));
    } else {
      texts_.push_back(marker ? std::string() : with_spaces(piece.text));
    }
  }

  std::vector<int> pieces_of(std::string_view text) const {
    std::vector<int> ids;
    if (const auto status = processor_.Encode({text.data(), text.size()}, &ids); !status.ok())
      fail(ErrorKind::model, "sentencepiece: {}", escaped(status.ToString()));
    return ids;
  }

  void append_run(std::vector<TokenId>& ids, std::string_view run, bool with_space) const {
    if (run.empty()) return;
    const std::vector<int> pieces = with_space ? pieces_of(" " + std::string(run)) : pieces_of(run);
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }

  void append_byte(std::vector<TokenId>& ids, char c) const {
    const TokenId id = byte_ids_[static_cast<unsigned char>(c)];
    ids.push_back(id >= 0 ? id : unknown_);
  }

  // The library would turn the letter U+2581 into a space and a bad byte into U+FFFD: both go in as
  // byte pieces, so that every text comes back as it was.
  std::vector<TokenId> encode_runs(std::string_view text, bool with_space) const {
    std::vector<TokenId> ids;
    std::size_t run = 0, at = 0;
    while (at < text.size()) {
      const Utf8Step step = next_utf8(text.substr(at));
      if (step.valid && step.code_point != kSpaceMark) {
        at += step.bytes;
        continue;
      }
      append_run(ids, text.substr(run, at - run), with_space);
      for (std::size_t i = 0; i < step.bytes; ++i) append_byte(ids, text[at + i]);
      with_space = false;
      at += step.bytes;
      run = at;
    }
    append_run(ids, text.substr(run), with_space);
    return ids;
  }

  sentencepiece::SentencePieceProcessor processor_;
  LeadingSpace leading_space_;  // put here, so that a continuation can go without
  std::vector<std::string> texts_;
  std::vector<bool> markers_;
  std::array<TokenId, 256> byte_ids_{};
  TokenId unknown_ = 0;  // the library takes no model without one
  std::unordered_map<std::string, TokenId> ids_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(ByteSpan proto, std::string_view name) {
  return std::make_unique<SentencepieceTokenizer>(proto, name);
}

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(const ModelFiles& files) {
  const std::string proto =
      files.is_gguf() ? sentencepiece_proto(files.gguf()) : sentencepiece_proto(files);
  auto tokenizer = std::make_unique<SentencepieceTokenizer>(
      as_bytes(proto), files.is_gguf() ? files.gguf().name() : files.path().string());
  tokenizer->set_special(special_tokens(files, *tokenizer, true));
  return tokenizer;
}

}  // namespace r1
