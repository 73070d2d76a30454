#include "lib/text/tokenizer.h"

#include "lib/base/error.h"
#include "lib/text/bpe_tokenizer.h"
#include "lib/text/sentencepiece_proto.h"
#include "lib/text/sentencepiece_tokenizer.h"

namespace r1 {
namespace {

TokenId id_of(const Tokenizer& tokenizer, const std::string& marker) {
  const auto id = tokenizer.find(marker);
  if (!id) fail(ErrorKind::model, "the vocabulary has no token {}", escaped(marker));
  return *id;
}

std::vector<TokenId> encode_part(const Tokenizer& tokenizer, const PromptPart& part) {
  switch (part.kind) {
    case PromptPart::Kind::text:
      return tokenizer.encode(part.text);
    case PromptPart::Kind::continued:
      return tokenizer.encode_continued(part.text);
    case PromptPart::Kind::marker:
      return {id_of(tokenizer, part.text)};
    case PromptPart::Kind::bos:
      break;
  }
  return tokenizer.bos() ? std::vector<TokenId>{*tokenizer.bos()} : std::vector<TokenId>();
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const ModelFiles& files,
                                          const std::filesystem::path& data_dir) {
  if (files.is_gguf()) {
    const auto kind = files.gguf().string("tokenizer.ggml.model");
    if (!kind) fail(ErrorKind::model, "{} has no tokenizer.ggml.model", files.gguf().name());
    if (*kind == "llama") return make_sentencepiece_tokenizer(files);
    if (*kind == "gpt2") return make_bpe_tokenizer(files, data_dir);
    fail(ErrorKind::model, "{}: the tokenizer {} is not one that runs here", files.gguf().name(),
         escaped(*kind));
  }
  // tokenizer.model first: a tokenizer.json made from it differs at spaces and special tokens.
  if (has_sentencepiece_model(files)) return make_sentencepiece_tokenizer(files);
  Json json = files.side_file("tokenizer.json");
  if (is_sentencepiece(json)) return make_sentencepiece_tokenizer(files);
  if (json.find("model") != nullptr) return make_bpe_tokenizer(files, std::move(json));
  if (!json.is_null())
    fail(ErrorKind::model, "{} has no model", escaped(files.side_path("tokenizer.json").string()));
  fail(ErrorKind::model, "{} has neither tokenizer.model nor tokenizer.json",
       escaped(files.path().string()));
}

std::vector<TokenId> encode_parts(const Tokenizer& tokenizer, const std::vector<PromptPart>& parts,
                                  bool add_bos) {
  std::vector<TokenId> ids;
  if (add_bos && tokenizer.bos()) ids.push_back(*tokenizer.bos());
  for (const PromptPart& part : parts) {
    const std::vector<TokenId> more = encode_part(tokenizer, part);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

}  // namespace r1
