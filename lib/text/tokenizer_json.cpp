#include <algorithm>

#include "lib/base/error.h"
#include "lib/text/bpe_files.h"
#include "lib/text/fim.h"

namespace r1 {
namespace {

using Kind = BpeDescription::Kind;

constexpr std::size_t kLongestToken = 8192;
constexpr std::int64_t kMostTokens = 2'097'152;

// Makes room for an id. Ids have few gaps, so memory follows the file's size and not its numbers.
BpeDescription::Token& token_at(BpeDescription& d, const Json& value, std::size_t count,
                                const std::string& where) {
  const std::int64_t id = value.integer(where);
  if (id < 0 || id >= kMostTokens || static_cast<std::size_t>(id) > 2 * count + 65'536)
    fail(ErrorKind::model, "{}: the id {} is out of range", where, id);
  if (static_cast<std::size_t>(id) >= d.tokens.size())
    d.tokens.resize(static_cast<std::size_t>(id) + 1);
  return d.tokens[static_cast<std::size_t>(id)];
}

void read_vocabulary(BpeDescription& d, const Json& model) {
  const std::string where = "tokenizer.json: vocab";
  const Json::Object& vocab = model.at("vocab", where).object(where);
  d.tokens.reserve(vocab.size());
  for (const auto& [piece, id] : vocab) {
    check_token(piece);
    BpeDescription::Token& token = token_at(d, id, vocab.size(), where);
    if (token.kind != Kind::none)
      fail(ErrorKind::model, "{}: {} and {} have the same id", where, escaped(token.text),
           escaped(piece));
    token = {piece, Kind::piece};
  }
}

void read_merges(BpeDescription& d, const Json& model) {
  const std::string where = "tokenizer.json: merges";
  const Json::Array& merges = model.at("merges", where).array(where);
  d.merges.reserve(merges.size());
  for (const Json& merge : merges) {
    if (merge.is_array()) {
      const Json::Array& pair = merge.array(where);
      if (pair.size() != 2) fail(ErrorKind::model, "{}: a merge has {} parts", where, pair.size());
      d.merges.emplace_back(pair[0].string(where), pair[1].string(where));
      continue;
    }
    const std::string_view text = merge.string(where);
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos)
      fail(ErrorKind::model, "{}: {} is not two tokens", where, escaped(text));
    d.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
}

bool flag(const Json& json, std::string_view name, const std::string& where) {
  const Json* value = json.find(name);
  return value != nullptr && value->boolean(where);
}

void read_added(BpeDescription& d, const Json& file) {
  const Json* added = file.find("added_tokens");
  if (added == nullptr || added->is_null()) return;
  const std::string where = "tokenizer.json: added_tokens";
  const std::size_t count = d.tokens.size() + added->array(where).size();
  for (const Json& json : added->array(where)) {
    const std::string& text = json.at("content", where).string(where);
    check_token(text);
    BpeDescription::Token& token = token_at(d, json.at("id", where), count, where);
    if (token.kind != Kind::none && token.text != text)
      fail(ErrorKind::model, "{}: {} and {} have the same id", where, escaped(token.text),
           escaped(text));
    const bool marker = flag(json, "special", where) || is_marker_text(text);
    token = {text, marker ? Kind::marker : Kind::added, flag(json, "lstrip", where),
             flag(json, "rstrip", where), flag(json, "single_word", where)};
  }
}

bool is_nfc(const Json& normalizer) {
  if (normalizer.is_null()) return false;
  const std::string where = "tokenizer.json: normalizer";
  const std::string& type = normalizer.at("type", where).string(where);
  if (type == "NFC") return true;
  if (type != "Sequence")
    fail(ErrorKind::model, "the normalizer {} is not one that runs here", escaped(type));
  const Json::Array& steps = normalizer.at("normalizers", where).array(where);
  return std::count_if(steps.begin(), steps.end(), is_nfc) > 0;
}

// Does the post-processor put a token before a single text?
bool puts_bos(const Json& post) {
  const std::string where = "tokenizer.json: post_processor";
  if (const Json* steps = post.find("processors"); steps != nullptr) {
    const Json::Array& all = steps->array(where);
    return std::any_of(all.begin(), all.end(), puts_bos);
  }
  const Json* single = post.find("single");
  return single != nullptr && !single->array(where).empty() &&
         single->array(where)[0].find("SpecialToken") != nullptr;
}

}  // namespace

void check_token(std::string_view text) {
  if (text.empty() || text.size() > kLongestToken)
    fail(ErrorKind::limit, "the vocabulary has a token of {} bytes", text.size());
}

BpeDescription describe_tokenizer_json(std::unique_ptr<const Json> json) {
  const std::string where = "tokenizer.json: model";
  BpeDescription d;
  d.json = std::move(json);
  const Json& file = *d.json;
  const Json& model = file.at("model", "tokenizer.json");
  const Json* type = model.find("type");
  if (type != nullptr && type->string(where) != "BPE")
    fail(ErrorKind::model, "the tokenizer model {} is not one that runs here",
         escaped(type->string(where)));
  if (flag(model, "byte_fallback", where))
    fail(ErrorKind::model,
         "a tokenizer.json with byte_fallback does not run here; put the "
         "tokenizer.model that it was made from beside it");
  read_vocabulary(d, model);
  read_merges(d, model);
  read_added(d, file);
  d.before_merging.ignore_merges = flag(model, "ignore_merges", where);
  if (const Json* normalizer = file.find("normalizer")) d.before_merging.nfc = is_nfc(*normalizer);
  if (const Json* steps = file.find("pre_tokenizer"))
    d.before_merging.pretokenizer = Pretokenizer::from_json(*steps);
  if (const Json* post = file.find("post_processor")) d.begins_with_bos = puts_bos(*post);
  return d;
}

}  // namespace r1
