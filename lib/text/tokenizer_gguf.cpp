#include "lib/base/error.h"
#include "lib/text/bpe_files.h"
#include "lib/text/fim.h"

namespace r1 {
namespace {

using Kind = BpeDescription::Kind;

// The types of tokenizer.ggml.token_type.
Kind kind_of(std::string_view text, std::int64_t type) {
  constexpr std::int64_t kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5;
  // Fillers up to a round number of rows; DeepSeek's files call them user-defined.
  if (type == kUnused || (text.starts_with("[PAD") && text.ends_with("]"))) return Kind::none;
  if (type == kUnknown || type == kControl || is_marker_text(text)) return Kind::marker;
  return type == kUserDefined ? Kind::added : Kind::piece;
}

void read_tokens(BpeDescription& d, const GgufFile& gguf) {
  const auto* tokens = gguf.strings("tokenizer.ggml.tokens");
  const auto types = gguf.integers("tokenizer.ggml.token_type");
  if (tokens == nullptr || tokens->empty() || (types && types->size() != tokens->size()))
    fail(ErrorKind::model,
         "{}: tokenizer.ggml.tokens and .token_type do not have one entry a token", gguf.name());
  d.tokens.reserve(tokens->size());
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::string_view text = (*tokens)[i];
    check_token(text);
    d.tokens.push_back({text, kind_of(text, types ? (*types)[i] : 1)});
  }
}

void read_merges(BpeDescription& d, const GgufFile& gguf) {
  const auto* merges = gguf.strings("tokenizer.ggml.merges");
  if (merges == nullptr) fail(ErrorKind::model, "{} has no tokenizer.ggml.merges", gguf.name());
  d.merges.reserve(merges->size());
  for (const std::string_view merge : *merges) {
    const std::size_t space = merge.find(' ', 1);  // a merge may begin with the letter for a space
    if (space == std::string_view::npos)
      fail(ErrorKind::model, "{}: the merge {} is not two tokens", gguf.name(), escaped(merge));
    d.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
}

// The steps that tokenizer.ggml.pre names, from the data file that is installed with r1.
void read_named_steps(BpeDescription& d, const GgufFile& gguf,
                      const std::filesystem::path& data_dir) {
  constexpr std::string_view kAdvice = "put the model's tokenizer.json beside it";
  const auto name = gguf.string("tokenizer.ggml.pre");
  if (!name) fail(ErrorKind::model, "{} names no pre-tokenizer; {}", gguf.name(), kAdvice);
  auto named = named_pretokenizing(*name, data_dir);
  if (!named)
    fail(ErrorKind::model, "{} names the pre-tokenizer {}, which is not known here; {}",
         gguf.name(), escaped(*name), kAdvice);
  d.before_merging = std::move(named->before_merging);
  d.begins_with_bos = named->begins_with_bos;
}

// Is this the vocabulary that the GGUF file has too, but for fillers at its end?
bool agrees(const BpeDescription& other, const BpeDescription& own) {
  if (other.tokens.size() > own.tokens.size()) return false;
  for (std::size_t i = 0; i < own.tokens.size(); ++i) {
    if (own.tokens[i].kind != Kind::piece) continue;
    if (i >= other.tokens.size() || other.tokens[i].text != own.tokens[i].text) return false;
  }
  return true;
}

}  // namespace

BpeDescription describe_gguf(const ModelFiles& files, const std::filesystem::path& data_dir) {
  const GgufFile& gguf = files.gguf();
  if (const auto whole = gguf.string("tokenizer.huggingface.json"))
    return describe_tokenizer_json(
        std::make_unique<Json>(parse_json(*whole, gguf.name() + ": tokenizer.huggingface.json")));
  BpeDescription d;
  read_tokens(d, gguf);
  if (Json beside = files.side_file("tokenizer.json"); !beside.is_null()) {
    BpeDescription other = describe_tokenizer_json(std::make_unique<Json>(std::move(beside)));
    if (agrees(other, d)) return other;
  }
  read_merges(d, gguf);
  read_named_steps(d, gguf, data_dir);
  return d;
}

}  // namespace r1
