#include "lib/text/bpe_tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/text/bpe.h"
#include "lib/text/fim.h"
#include "lib/text/nfc.h"
#include "lib/text/pretokenize.h"
#include "lib/text/special_tokens.h"

namespace r1 {
namespace {

constexpr std::size_t kLongestPiece = 8192;
constexpr std::int64_t kMostTokens = 2'097'152;

// A token that is found in text before anything else is done to it.
struct AddedToken {
  std::string text;
  TokenId id = 0;
  bool lstrip = false, rstrip = false, single_word = false;
};

// What either kind of file says of a tokenizer.
struct Description {
  std::vector<std::string> pieces;  // by id, in letters; empty: none, or an added token
  std::vector<std::string> texts;   // by id: the bytes that are printed
  std::vector<bool> markers;        // by id: control tokens, never matched in text, never printed
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added;  // those that match in text
  Pretokenizer pretokenizer;
  bool ignore_merges = false, normalize = false, begins_with_bos = false;

  void resize(std::size_t n) {
    pieces.resize(n);
    texts.resize(n);
    markers.resize(n);
  }
  void add(const AddedToken& token, bool marker) {
    const auto id = static_cast<std::size_t>(token.id);
    pieces[id].clear();
    texts[id] = marker ? std::string() : token.text;
    markers[id] = marker;
    names.emplace(token.text, token.id);
    if (!marker) added.push_back(token);
  }
  std::unordered_map<std::string, TokenId> names;  // of added tokens and markers
};

void check_piece(std::string_view piece) {
  if (piece.empty() || piece.size() > kLongestPiece)
    fail(ErrorKind::model, "the vocabulary has a token of {} bytes", piece.size());
}

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(Description d)
      : d_(std::move(d)), views_(d_.pieces.begin(), d_.pieces.end()), bpe_(make_bpe()) {
    // Longest first, so that the first that fits is the one wanted.
    std::sort(d_.added.begin(), d_.added.end(), [](const AddedToken& a, const AddedToken& b) {
      return a.text.size() > b.text.size();
    });
    for (const AddedToken& token : d_.added)
      begins_added_[static_cast<unsigned char>(token.text[0])] = true;
  }

  void set_special(const SpecialTokens& special) {
    bos_ = special.bos;
    eos_ = special.eos;
    add_bos_ = special.add_bos && bos_.has_value();
  }
  bool begins_with_bos() const { return d_.begins_with_bos; }

  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> ids;
    std::size_t run = 0;
    for (std::size_t at = 0; at < text.size();) {
      const AddedToken* token = added_at(text, at);
      if (token == nullptr) {
        ++at;
        continue;
      }
      std::size_t before = at, after = at + token->text.size();
      while (token->lstrip && before > run && text[before - 1] == ' ') --before;
      while (token->rstrip && after < text.size() && text[after] == ' ') ++after;
      encode_run(ids, text.substr(run, before - run));
      ids.push_back(token->id);
      at = run = after;
    }
    encode_run(ids, text.substr(run));
    return ids;
  }
  std::string_view bytes(TokenId id) const override {
    return id >= 0 && id < size() ? d_.texts[static_cast<std::size_t>(id)] : std::string_view();
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(d_.texts.size()); }
  std::optional<TokenId> find(std::string_view token) const override {
    if (const auto named = d_.names.find(std::string(token)); named != d_.names.end())
      return named->second;
    const TokenId id = bpe_.find(letters_of(token));
    return id < 0 ? std::nullopt : std::optional(id);
  }
  bool is_marker(TokenId id) const override {
    return id >= 0 && id < size() && d_.markers[static_cast<std::size_t>(id)];
  }

 private:
  Bpe make_bpe() const {
    const std::vector<std::pair<std::string_view, std::string_view>> merges(d_.merges.begin(),
                                                                            d_.merges.end());
    return Bpe(views_, merges, d_.ignore_merges);
  }

  const AddedToken* added_at(std::string_view text, std::size_t at) const {
    if (!begins_added_[static_cast<unsigned char>(text[at])]) return nullptr;
    const auto is_word = [&](std::size_t i) {
      return i < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_');
    };
    for (const AddedToken& token : d_.added) {
      if (!text.substr(at).starts_with(token.text)) continue;
      if (token.single_word && ((at > 0 && is_word(at - 1)) || is_word(at + token.text.size())))
        continue;
      return &token;
    }
    return nullptr;
  }

  // Text without added tokens; bytes that are no UTF-8 are pieces of their own.
  void encode_run(std::vector<TokenId>& ids, std::string_view text) const {
    std::size_t run = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = next_utf8(text.substr(at));
      if (!step.valid) {
        encode_valid(ids, text.substr(run, at - run));
        bpe_.encode(ids, text.substr(at, 1));
        run = at + 1;
      }
      at += step.bytes;
    }
    encode_valid(ids, text.substr(run));
  }

  void encode_valid(std::vector<TokenId>& ids, std::string_view text) const {
    if (text.empty()) return;
    std::string changed;
    if (d_.normalize) text = changed = nfc(text);
    if (d_.pretokenizer.add_prefix_space() && text[0] != ' ')
      text = changed = " " + std::string(text);
    for (const std::string_view piece : d_.pretokenizer.split(text)) bpe_.encode(ids, piece);
  }

  Description d_;
  std::vector<std::string_view> views_;
  Bpe bpe_;
  bool begins_added_[256] = {};
};

// --- tokenizer.json
// --------------------------------------------------------------------------------

TokenId checked_id(const Json& value, const std::string& where) {
  const std::int64_t id = value.integer(where);
  if (id < 0 || id >= kMostTokens)
    fail(ErrorKind::model, "{}: the id {} is out of range", where, id);
  return static_cast<TokenId>(id);
}

void read_vocabulary(Description& d, const Json& model) {
  const std::string where = "tokenizer.json: vocab";
  const Json::Object& vocab = model.at("vocab", where).object(where);
  std::size_t size = 0;
  for (const auto& [piece, id] : vocab)
    size = std::max(size, static_cast<std::size_t>(checked_id(id, where)) + 1);
  d.resize(size);
  for (const auto& [piece, id] : vocab) {
    check_piece(piece);
    const auto i = static_cast<std::size_t>(checked_id(id, where));
    if (!d.pieces[i].empty())
      fail(ErrorKind::model, "{}: {} and {} have the same id {}", where, escaped(d.pieces[i]),
           escaped(piece), i);
    d.pieces[i] = piece;
    d.texts[i] = bytes_of(piece);
  }
}

void read_merges(Description& d, const Json& model) {
  const std::string where = "tokenizer.json: merges";
  for (const Json& merge : model.at("merges", where).array(where)) {
    if (merge.is_array()) {
      const Json::Array& pair = merge.array(where);
      if (pair.size() != 2) fail(ErrorKind::model, "{}: a merge has {} parts", where, pair.size());
      d.merges.emplace_back(pair[0].string(where), pair[1].string(where));
      continue;
    }
    const std::string& text = merge.string(where);
    const std::size_t space = text.find(' ');
    if (space == std::string::npos)
      fail(ErrorKind::model, "{}: {} is not two tokens", where, escaped(text));
    d.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
}

void read_added(Description& d, const Json& file) {
  const Json* added = file.find("added_tokens");
  if (added == nullptr) return;
  const std::string where = "tokenizer.json: added_tokens";
  for (const Json& json : added->array(where)) {
    AddedToken token{json.at("content", where).string(where),
                     checked_id(json.at("id", where), where)};
    check_piece(token.text);
    const auto flag = [&](std::string_view name) {
      const Json* value = json.find(name);
      return value != nullptr && value->boolean(where);
    };
    token.lstrip = flag("lstrip");
    token.rstrip = flag("rstrip");
    token.single_word = flag("single_word");
    if (static_cast<std::size_t>(token.id) >= d.texts.size())
      d.resize(static_cast<std::size_t>(token.id) + 1);
    d.add(token, flag("special") || is_marker_text(token.text));
  }
}

bool normalizes(const Json& normalizer) {
  if (normalizer.is_null()) return false;
  const std::string where = "tokenizer.json: normalizer";
  const std::string& type = normalizer.at("type", where).string(where);
  if (type == "NFC") return true;
  if (type != "Sequence")
    fail(ErrorKind::model, "the normalizer {} is not one that runs here", escaped(type));
  bool any = false;
  for (const Json& step : normalizer.at("normalizers", where).array(where))
    any = normalizes(step) || any;
  return any;
}

// Does the post-processor put a token before a single text?
bool puts_bos(const Json* post) {
  if (post == nullptr || !post->is_object()) return false;
  if (const Json* steps = post->find("processors"); steps != nullptr && steps->is_array())
    return std::any_of(steps->array("").begin(), steps->array("").end(),
                       [](const Json& step) { return puts_bos(&step); });
  const Json* single = post->find("single");
  return single != nullptr && single->is_array() && !single->array("").empty() &&
         single->array("")[0].find("SpecialToken") != nullptr;
}

Description describe(const Json& file) {
  const std::string where = "tokenizer.json: model";
  const Json& model = file.at("model", where);
  const Json* type = model.find("type");
  if (type != nullptr && type->string(where) != "BPE")
    fail(ErrorKind::model, "{} {} is not one that runs here", where, escaped(type->string(where)));
  Description d;
  read_vocabulary(d, model);
  read_merges(d, model);
  read_added(d, file);
  if (const Json* ignore = model.find("ignore_merges")) d.ignore_merges = ignore->boolean(where);
  if (const Json* normalizer = file.find("normalizer")) d.normalize = normalizes(*normalizer);
  if (const Json* steps = file.find("pre_tokenizer"))
    d.pretokenizer = Pretokenizer::from_json(*steps);
  d.begins_with_bos = puts_bos(file.find("post_processor"));
  return d;
}

// --- GGUF
// --------------------------------------------------------------------------------------------

void read_pieces(Description& d, const GgufFile& gguf) {
  constexpr std::int64_t kControl = 3, kUserDefined = 4, kUnused = 5;
  const auto* tokens = gguf.strings("tokenizer.ggml.tokens");
  const auto types = gguf.integers("tokenizer.ggml.token_type");
  if (tokens == nullptr || tokens->empty() || (types && types->size() != tokens->size()))
    fail(ErrorKind::model,
         "{}: tokenizer.ggml.tokens and .token_type do not have one entry a token", gguf.name());
  d.resize(tokens->size());
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::string text((*tokens)[i]);
    check_piece(text);
    const std::int64_t type = types ? (*types)[i] : 1;
    // Fillers up to a round number of rows; DeepSeek's files call them user-defined.
    const bool filler = type == kUnused || (text.starts_with("[PAD") && text.ends_with("]"));
    const AddedToken token{text, static_cast<TokenId>(i)};
    if (filler) {
      d.markers[i] = true;
    } else if (type == kControl || is_marker_text(text)) {
      d.add(token, true);
    } else if (type == kUserDefined) {
      d.add(token, false);
    } else {
      d.pieces[i] = text;
      d.texts[i] = bytes_of(text);
    }
  }
}

void read_merges(Description& d, const GgufFile& gguf) {
  const auto* merges = gguf.strings("tokenizer.ggml.merges");
  if (merges == nullptr) fail(ErrorKind::model, "{} has no tokenizer.ggml.merges", gguf.name());
  for (const std::string_view merge : *merges) {
    const std::size_t space = merge.find(' ', 1);  // a merge may begin with the letter for a space
    if (space == std::string_view::npos)
      fail(ErrorKind::model, "{}: the merge {} is not two tokens", gguf.name(), escaped(merge));
    d.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
}

// The steps that tokenizer.ggml.pre names, from the data file that is installed with r1.
void read_named_steps(Description& d, const GgufFile& gguf, const std::filesystem::path& data_dir) {
  const std::string name(gguf.string("tokenizer.ggml.pre").value_or("gpt-2"));
  const std::string where = "pretokenizers.json";
  const Json file = parse_json(read_file(data_dir / where), where);
  const Json* entry = file.find(name);
  if (entry != nullptr)
    if (const Json* like = entry->find("like")) entry = &file.at(like->string(where), where);
  if (entry == nullptr)
    fail(ErrorKind::model,
         "{} names the pre-tokenizer {}, which is not known here; put the model's tokenizer.json "
         "beside it",
         gguf.name(), escaped(name));
  std::vector<std::string> patterns;
  for (const Json& step : entry->at("steps", where).array(where))
    patterns.push_back(step.string(where));
  d.pretokenizer = Pretokenizer::from_patterns(patterns);
  if (const Json* flag = entry->find("ignore_merges")) d.ignore_merges = flag->boolean(where);
  if (const Json* flag = entry->find("nfc")) d.normalize = flag->boolean(where);
}

Description describe(const ModelFiles& files, const std::filesystem::path& data_dir) {
  const GgufFile& gguf = files.gguf();
  if (const auto whole = gguf.string("tokenizer.huggingface.json"))
    return describe(parse_json(*whole, gguf.name() + ": tokenizer.huggingface.json"));
  Description d;
  read_pieces(d, gguf);
  // A tokenizer.json beside the file is this model's own if its vocabulary is as large.
  if (const Json beside = files.side_file("tokenizer.json"); !beside.is_null()) {
    Description other = describe(beside);
    if (other.texts.size() <= d.texts.size() && d.texts.size() < other.texts.size() + 1024)
      return other;
  }
  read_merges(d, gguf);
  read_named_steps(d, gguf, data_dir);
  return d;
}

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const ModelFiles& files,
                                              const std::filesystem::path& data_dir) {
  auto tokenizer = std::make_unique<BpeTokenizer>(
      files.is_gguf() ? describe(files, data_dir) : describe(files.side_file("tokenizer.json")));
  tokenizer->set_special(special_tokens(files, *tokenizer, tokenizer->begins_with_bos()));
  return tokenizer;
}

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const Json& tokenizer_json) {
  return std::make_unique<BpeTokenizer>(describe(tokenizer_json));
}

}  // namespace r1
