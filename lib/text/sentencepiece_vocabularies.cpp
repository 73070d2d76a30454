#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "lib/base/error.h"
#include "lib/text/sentencepiece_proto.h"

namespace r1 {
namespace {

using Piece = SentencepieceModel::Piece;

constexpr std::int64_t kMostTokens = 2'097'152;
constexpr std::string_view kSpaceMark = "\u2581";

// Does a tokenizer.json put a space before a text? Fails for what sentencepiece does not do.
LeadingSpace leading_space(const Json& file) {
  const std::string where = "tokenizer.json";
  const auto type_of = [&](const Json& step) { return step.at("type", where).string(where); };
  LeadingSpace space = LeadingSpace::none;
  if (const Json* normalizer = file.find("normalizer"); normalizer && !normalizer->is_null()) {
    const Json* all = normalizer->find("normalizers");
    const Json::Array steps = all ? all->array(where) : Json::Array{*normalizer};
    for (const Json& step : steps) {
      const bool marks_spaces =
          type_of(step) == "Replace" && step.at("content", where).string(where) == kSpaceMark;
      if (type_of(step) == "Prepend") space = LeadingSpace::always;
      if (!marks_spaces && type_of(step) != "Prepend")
        fail(ErrorKind::model, "the normalizer {} is not one that runs here",
             escaped(type_of(step)));
    }
  }
  if (const Json* cut = file.find("pre_tokenizer"); cut && !cut->is_null()) {
    if (type_of(*cut) != "Metaspace")
      fail(ErrorKind::model, "the pre-tokenizer {} is not one that runs here",
           escaped(type_of(*cut)));
    const Json* scheme = cut->find("prepend_scheme");
    const bool puts = scheme == nullptr || scheme->string(where) != "never";
    if (puts && space == LeadingSpace::none) space = LeadingSpace::unless_there;
  }
  return space;
}

Piece& piece_at(std::vector<Piece>& pieces, const Json& value, std::size_t count) {
  const std::string where = "tokenizer.json: id";
  const std::int64_t id = value.integer(where);
  if (id < 0 || id >= kMostTokens || static_cast<std::size_t>(id) > 2 * count + 65'536)
    fail(ErrorKind::model, "{} {} is out of range", where, id);
  while (pieces.size() <= static_cast<std::size_t>(id))
    pieces.push_back({"[unused " + std::to_string(pieces.size()) + "]", 0, PieceType::control});
  return pieces[static_cast<std::size_t>(id)];
}

// The score of each piece that merging can make: the better the merge, the higher.
std::unordered_map<std::string, float> scores_of(const Json::Array& merges) {
  const std::string where = "tokenizer.json: merges";
  std::unordered_map<std::string, float> scores;
  for (const Json& merge : merges) {
    std::string whole;
    if (merge.is_array()) {
      for (const Json& part : merge.array(where)) whole += part.string(where);
    } else {
      whole = merge.string(where);
      if (const std::size_t space = whole.find(' '); space != std::string::npos)
        whole.erase(space, 1);
    }
    scores.emplace(whole, -static_cast<float>(scores.size()) - 1.0f);
  }
  return scores;
}

// Tokens behind the pieces of a tokenizer.model, by number: {"32000": {"content": "<pad>", …}}.
void add_tokens(std::vector<Piece>& pieces, const Json& tokenizer_config) {
  const std::string where = "tokenizer_config.json: added_tokens_decoder";
  const Json* added = tokenizer_config.find("added_tokens_decoder");
  if (added == nullptr || added->is_null()) return;
  const std::size_t own = pieces.size();
  for (const auto& [number, token] : added->object(where)) {
    const Json id = parse_json(number, where);
    if (id.integer(where) >= 0 && id.integer(where) < static_cast<std::int64_t>(own)) continue;
    const Json* special = token.find("special");
    const bool marker = special != nullptr && special->boolean(where);
    piece_at(pieces, id, own) = {token.at("content", where).string(where), 0,
                                 marker ? PieceType::control : PieceType::user_defined};
  }
}

bool is_one_character(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }) == 1;
}

}  // namespace

std::string sentencepiece_proto(const GgufFile& gguf) {
  const auto* tokens = gguf.strings("tokenizer.ggml.tokens");
  const auto* scores = gguf.floats("tokenizer.ggml.scores");
  const auto types = gguf.integers("tokenizer.ggml.token_type");
  if (tokens == nullptr || scores == nullptr || !types || scores->size() != tokens->size() ||
      types->size() != tokens->size())
    fail(ErrorKind::model,
         "{}: tokenizer.ggml.tokens, .scores and .token_type do not have one entry a token",
         gguf.name());
  const auto kUnknown = static_cast<std::int64_t>(PieceType::unknown);
  const std::int64_t unknown =
      gguf.integer("tokenizer.ggml.unknown_token_id")
          .value_or(std::find(types->begin(), types->end(), kUnknown) - types->begin());
  std::vector<Piece> pieces;
  pieces.reserve(tokens->size());
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::int64_t type = (*types)[i];
    if (type < 1 || type > 6)
      fail(ErrorKind::model, "{} has a token of type {}", gguf.name(), type);
    pieces.push_back({std::string((*tokens)[i]), (*scores)[i], static_cast<PieceType>(type)});
    // The library takes one unknown token. Some files mark fillers as unknown too, or the unknown
    // token as control: the id decides, and a filler that is control matches nothing.
    if (static_cast<std::int64_t>(i) == unknown)
      pieces.back().type = PieceType::unknown;
    else if (type == kUnknown)
      pieces.back().type = PieceType::control;
  }
  const bool spaced = gguf.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  return sentencepiece_proto(std::move(pieces), spaced ? LeadingSpace::always : LeadingSpace::none);
}

std::string sentencepiece_proto(const Json& file) {
  const std::string where = "tokenizer.json";
  const Json& model = file.at("model", where);
  const Json::Object& vocab = model.at("vocab", where).object(where);
  const auto scores = scores_of(model.at("merges", where).array(where));
  const Json* named = model.find("unk_token");
  const std::string unknown = named && named->is_string() ? named->string(where) : "<unk>";
  std::vector<Piece> pieces;
  for (const auto& [text, id] : vocab) {
    Piece& piece = piece_at(pieces, id, vocab.size());
    const auto score = scores.find(text);
    piece = {text, score == scores.end() ? 0.0f : score->second};
    if (text == unknown)
      piece.type = PieceType::unknown;
    else if (text.size() == 6 && text.starts_with("<0x") && text.ends_with('>'))
      piece.type = PieceType::byte;
    else if (score == scores.end() && !is_one_character(text) && text != kSpaceMark)
      piece.type = PieceType::control;  // no merge makes it
  }
  if (const Json* added = file.find("added_tokens"); added && !added->is_null()) {
    for (const Json& token : added->array(where)) {
      const std::string& text = token.at("content", where).string(where);
      const Json* special = token.find("special");
      Piece& piece = piece_at(pieces, token.at("id", where), pieces.size());
      if (text == unknown) continue;
      const bool marker = special == nullptr || special->boolean(where);
      piece = {text, 0, marker ? PieceType::control : PieceType::user_defined};
    }
  }
  return sentencepiece_proto(std::move(pieces), leading_space(file));
}

std::string sentencepiece_proto(const ModelFiles& folder) {
  if (!has_sentencepiece_model(folder))
    return sentencepiece_proto(folder.side_file("tokenizer.json"));
  const std::filesystem::path path = folder.side_path("tokenizer.model");
  const std::string proto = read_file(path);
  SentencepieceModel model = check_sentencepiece_proto(as_bytes(proto), path.string());
  add_tokens(model.pieces, folder.side_file("tokenizer_config.json"));
  return sentencepiece_proto(model);
}

bool has_sentencepiece_model(const ModelFiles& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder.side_path("tokenizer.model"), ignored);
}

bool is_sentencepiece(const Json& tokenizer_json) {
  const Json* model = tokenizer_json.find("model");
  const Json* bytes = model == nullptr ? nullptr : model->find("byte_fallback");
  return bytes != nullptr && bytes->is_bool() && bytes->boolean("");  // byte pieces mean that
}

}  // namespace r1
