#include "lib/text/bpe_tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/text/added_tokens.h"
#include "lib/text/bpe_files.h"
#include "lib/text/byte_letters.h"
#include "lib/text/nfc.h"
#include "lib/text/special_tokens.h"

namespace r1 {
namespace {

using Kind = BpeDescription::Kind;

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of all tokens together

// The table of everything that tokens stand for; only pieces can be found in it.
PieceTable table_of(const BpeDescription& d) {
  std::size_t bytes = 0;
  for (const BpeDescription::Token& token : d.tokens) bytes += token.text.size();
  if (bytes > kMostBytes) fail(ErrorKind::limit, "the vocabulary has {} bytes", bytes);
  PieceTable table;
  table.reserve(d.tokens.size(), bytes);
  std::string text;
  for (const BpeDescription::Token& token : d.tokens) {
    text.clear();
    bool letters = false;
    if (token.kind == Kind::piece) letters = append_bytes_of(text, token.text);
    if (token.kind == Kind::added) text = token.text;
    // A piece that has other characters than letters can come out of no text.
    if (!table.add(text, letters))
      fail(ErrorKind::model, "the vocabulary has the token {} twice", escaped(token.text));
  }
  return table;
}

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeDescription d)
      : pretokenizer_(std::move(d.before_merging.pretokenizer)),
        bpe_(table_of(d), d.merges, d.before_merging.ignore_merges),
        markers_(d.tokens.size()),
        normalize_(d.before_merging.nfc),
        begins_with_bos_(d.begins_with_bos) {
    for (std::size_t i = 0; i < d.tokens.size(); ++i) {
      const BpeDescription::Token& token = d.tokens[i];
      markers_[i] = token.kind == Kind::none || token.kind == Kind::marker;
      if (token.kind == Kind::added || token.kind == Kind::marker)
        add(token, static_cast<TokenId>(i));
    }
  }

  void set_special(const SpecialTokens& special) {
    bos_ = special.bos;
    eos_ = special.eos;
    add_bos_ = special.add_bos && bos_.has_value();
  }
  bool begins_with_bos() const { return begins_with_bos_; }

  std::vector<TokenId> encode(std::string_view text) const override {
    return encode_parts(text, pretokenizer_.add_prefix_space());
  }
  std::vector<TokenId> encode_continued(std::string_view text) const override {
    return encode_parts(text, false);
  }
  std::string_view bytes(TokenId id) const override {
    return id >= 0 && id < size() ? bpe_.pieces()[id] : std::string_view();
  }
  std::int64_t size() const override { return bpe_.pieces().size(); }
  std::optional<TokenId> find(std::string_view token) const override {
    if (const auto named = names_.find(std::string(token)); named != names_.end())
      return named->second;
    const TokenId id = bpe_.pieces().find(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  bool is_marker(TokenId id) const override {
    return id >= 0 && id < size() && markers_[static_cast<std::size_t>(id)];
  }
  std::string_view marker_text(TokenId id) const override {
    if (!is_marker(id)) return {};
    const auto named = std::find_if(names_.begin(), names_.end(),
                                    [id](const auto& name) { return name.second == id; });
    return named == names_.end() ? std::string_view() : std::string_view(named->first);
  }

 private:
  void add(const BpeDescription::Token& token, TokenId id) {
    if (!names_.emplace(token.text, id).second)
      fail(ErrorKind::model, "the vocabulary has the token {} twice", escaped(token.text));
    if (token.kind != Kind::added) return;
    added_.add(token.text, id, {token.lstrip, token.rstrip, token.single_word});
    // DeepSeek's 13 one-letter tokens are the letters of the bytes that UTF-8 does not use. So a
    // Latin-1 text keeps its letters, at the price that these bytes come back as characters.
    std::string byte;
    if (append_bytes_of(byte, token.text) && byte.size() == 1)
      bpe_.stand_in(static_cast<unsigned char>(byte[0]), id);
  }

  // What stands before, between and behind added tokens; `spaced`: the first part gets a space, as
  // all others do where the pretokenizer says so.
  std::vector<TokenId> encode_parts(std::string_view text, bool spaced) const {
    std::vector<TokenId> ids;
    std::size_t at = 0;
    while (const auto match = added_.next(text, at)) {
      encode_run(ids, text.substr(at, match->begin - at), spaced);
      ids.push_back(match->id);
      at = match->end;
      spaced = pretokenizer_.add_prefix_space();
    }
    encode_run(ids, text.substr(at), spaced);
    return ids;
  }

  // Text without added tokens; bytes that are no UTF-8 are pieces of their own.
  void encode_run(std::vector<TokenId>& ids, std::string_view text, bool spaced) const {
    std::size_t run = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = next_utf8(text.substr(at));
      if (!step.valid) {
        encode_valid(ids, text.substr(run, at - run), spaced && run == 0);
        bpe_.encode(ids, text.substr(at, 1));
        run = at + 1;
      }
      at += step.bytes;
    }
    encode_valid(ids, text.substr(run), spaced && run == 0);
  }

  void encode_valid(std::vector<TokenId>& ids, std::string_view text, bool spaced) const {
    if (text.empty()) return;
    std::string changed;
    if (normalize_) text = changed = nfc(text);
    if (spaced && text[0] != ' ') text = changed = " " + std::string(text);
    for (const std::string_view piece : pretokenizer_.split(text)) bpe_.encode(ids, piece);
  }

  Pretokenizer pretokenizer_;
  Bpe bpe_;
  AddedTokens added_;
  std::unordered_map<std::string, TokenId> names_;  // of added tokens and markers
  std::vector<bool> markers_;
  bool normalize_, begins_with_bos_;
};

std::unique_ptr<Tokenizer> with_special(const ModelFiles& files, BpeDescription d) {
  auto tokenizer = std::make_unique<BpeTokenizer>(std::move(d));
  tokenizer->set_special(special_tokens(files, *tokenizer, tokenizer->begins_with_bos()));
  return tokenizer;
}

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const ModelFiles& files,
                                              const std::filesystem::path& data_dir) {
  return with_special(files, describe_gguf(files, data_dir));
}

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const ModelFiles& files, Json tokenizer_json) {
  return with_special(files,
                      describe_tokenizer_json(std::make_unique<Json>(std::move(tokenizer_json))));
}

std::unique_ptr<Tokenizer> make_bpe_tokenizer(Json tokenizer_json) {
  return std::make_unique<BpeTokenizer>(
      describe_tokenizer_json(std::make_unique<Json>(std::move(tokenizer_json))));
}

}  // namespace r1
