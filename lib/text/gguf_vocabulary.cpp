#include "lib/text/gguf_vocabulary.h"

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/text/bpe_files.h"
#include "lib/text/chat_template.h"
#include "lib/text/fim.h"
#include "lib/text/sentencepiece_proto.h"
#include "lib/text/special_tokens.h"

namespace r1 {
namespace {

constexpr float kPadScore = -10000;  // no merge would choose it

class Vocabulary {
 public:
  Vocabulary(const ModelFiles& folder, std::int64_t rows, const std::filesystem::path& data_dir)
      : folder_(folder), rows_(static_cast<std::size_t>(rows)), data_dir_(data_dir) {}

  GgufMetadata metadata() {
    const auto tokenizer = load_tokenizer(folder_, data_dir_);
    if (static_cast<std::size_t>(tokenizer->size()) > rows_)
      fail(ErrorKind::model, "the tokenizer has {} tokens, and the embedding {} rows",
           tokenizer->size(), rows_);
    const Json json =
        has_sentencepiece_model(folder_) ? Json() : folder_.side_file("tokenizer.json");
    if (json.is_null() || is_sentencepiece(json))
      put_sentencepiece();
    else
      put_bpe();
    put_special(*tokenizer);
    put_fim(*tokenizer);
    if (std::string chat = read_chat_template(folder_); !chat.empty())
      out_.emplace_back(kChatTemplateKey, std::move(chat));
    return std::move(out_);
  }

 private:
  void put(std::string_view key, GgufEntry value) {
    out_.emplace_back(fmt::format("tokenizer.ggml.{}", key), std::move(value));
  }
  void put_id(std::string_view key, std::optional<TokenId> id) {
    if (id) put(fmt::format("{}_token_id", key), static_cast<std::uint32_t>(*id));
  }

  void add(std::string_view text, PieceType type) {
    tokens_.emplace_back(text);
    types_.push_back(static_cast<std::int32_t>(type));
  }
  void add_pad() { add(fmt::format("[PAD{}]", tokens_.size()), PieceType::unused); }
  void put_tokens() {
    while (tokens_.size() < rows_) add_pad();
    put("tokens", std::move(tokens_));
    put("token_type", std::move(types_));
  }

  void put_sentencepiece() {
    const std::string proto = sentencepiece_proto(folder_);
    const SentencepieceModel model =
        check_sentencepiece_proto(as_bytes(proto), folder_.path().string());
    if (!model.merges_pairs || model.maps_characters)
      fail(ErrorKind::model, "the sentencepiece vocabulary {}, which a GGUF file cannot say",
           model.maps_characters ? "maps characters" : "does not merge pairs");
    std::vector<float> scores;
    for (const SentencepieceModel::Piece& piece : model.pieces) {
      if (piece.type == PieceType::unknown) unknown_ = static_cast<TokenId>(tokens_.size());
      add(piece.text, is_marker_text(piece.text) ? PieceType::control : piece.type);
      scores.push_back(piece.score);
    }
    scores.resize(rows_, kPadScore);
    put("model", std::string("llama"));
    put("pre", std::string("default"));
    put_tokens();
    put("scores", std::move(scores));
    put("add_space_prefix", model.leading_space != LeadingSpace::none);
  }

  void put_bpe() {
    using Kind = BpeDescription::Kind;
    const BpeDescription d =
        describe_tokenizer_json(std::make_unique<Json>(folder_.side_file("tokenizer.json")));
    const auto pre = name_of(d.before_merging, data_dir_);
    if (!pre)
      fail(ErrorKind::model, "no name is known for the pre-tokenizer of tokenizer.json: {}{}{}",
           d.before_merging.pretokenizer.shown(),
           d.before_merging.ignore_merges ? ", ignore_merges" : "",
           d.before_merging.nfc ? ", NFC" : "");
    for (const BpeDescription::Token& token : d.tokens) {
      if (token.kind == Kind::none)
        add_pad();
      else
        add(token.text, token.kind == Kind::piece   ? PieceType::normal
                        : token.kind == Kind::added ? PieceType::user_defined
                                                    : PieceType::control);
    }
    std::vector<std::string> merges;
    merges.reserve(d.merges.size());
    for (const auto& [left, right] : d.merges) merges.push_back(fmt::format("{} {}", left, right));
    put("model", std::string("gpt2"));
    put("pre", *pre);
    put_tokens();
    put("merges", std::move(merges));
  }

  void put_special(const Tokenizer& tokenizer) {
    put_id("bos", tokenizer.bos());
    put_id("eos", tokenizer.eos());
    put_id("unknown", unknown_ ? unknown_ : special_token(folder_, "unk_token", tokenizer));
    put_id("padding", special_token(folder_, "pad_token", tokenizer));
    put("add_bos_token", tokenizer.add_bos());
    const Json config = folder_.side_file("tokenizer_config.json");
    if (const Json* eos = config.find("add_eos_token"); eos != nullptr && eos->is_bool())
      put("add_eos_token", eos->boolean("add_eos_token"));
  }

  void put_fim(const Tokenizer& tokenizer) {
    const auto form = FimForm::find(tokenizer);
    if (!form) return;
    put_id("fim_pre", form->prefix());
    put_id("fim_suf", form->suffix());
    put_id("fim_mid", form->middle());
    const auto first_of = [&](std::initializer_list<std::string_view> names) {
      std::optional<TokenId> id;
      for (const std::string_view name : names)
        if (!id) id = tokenizer.find(name);
      return id;
    };
    put_id("fim_pad", first_of({"<|fim_pad|>", "<fim_pad>"}));
    put_id("fim_rep", first_of({"<|repo_name|>", "<repo_name>", "<reponame>"}));
    put_id("fim_sep", first_of({"<|file_sep|>", "<file_sep>"}));
  }

  const ModelFiles& folder_;
  std::size_t rows_;
  const std::filesystem::path& data_dir_;
  GgufMetadata out_;
  std::vector<std::string> tokens_;
  std::vector<std::int32_t> types_;
  std::optional<TokenId> unknown_;
};

}  // namespace

GgufMetadata gguf_vocabulary(const ModelFiles& folder, std::int64_t rows,
                             const std::filesystem::path& data_dir) {
  return Vocabulary(folder, rows, data_dir).metadata();
}

}  // namespace r1
