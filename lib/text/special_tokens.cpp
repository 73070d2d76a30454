#include "lib/text/special_tokens.h"

#include "lib/base/error.h"

namespace r1 {
namespace {

// "bos_token": "<s>" or {"content": "<s>", …}; nothing when absent or null.
std::optional<TokenId> by_text(const Json& file, std::string_view key, const Tokenizer& tokenizer) {
  const Json* token = file.find(key);
  if (token != nullptr && token->is_object()) token = token->find("content");
  if (token == nullptr || !token->is_string()) return std::nullopt;
  return tokenizer.find(token->string(key));
}

std::optional<TokenId> by_id(const GgufFile& gguf, std::string_view key,
                             const Tokenizer& tokenizer) {
  const auto id = gguf.integer(key);
  if (!id) return std::nullopt;
  if (*id < 0 || *id >= tokenizer.size())
    fail(ErrorKind::model, "{}: {} is {}, and there are {} tokens", gguf.name(), key, *id,
         tokenizer.size());
  return static_cast<TokenId>(*id);
}

}  // namespace

std::optional<TokenId> special_token(const ModelFiles& files, std::string_view key,
                                     const Tokenizer& tokenizer) {
  const auto id = by_text(files.side_file("tokenizer_config.json"), key, tokenizer);
  return id ? id : by_text(files.side_file("special_tokens_map.json"), key, tokenizer);
}

SpecialTokens special_tokens(const ModelFiles& files, const Tokenizer& tokenizer, bool add_bos) {
  if (files.is_gguf()) {
    const GgufFile& gguf = files.gguf();
    return {by_id(gguf, "tokenizer.ggml.bos_token_id", tokenizer),
            by_id(gguf, "tokenizer.ggml.eos_token_id", tokenizer),
            gguf.boolean("tokenizer.ggml.add_bos_token").value_or(add_bos)};
  }
  const Json config = files.side_file("tokenizer_config.json");
  const Json map = files.side_file("special_tokens_map.json");
  SpecialTokens special{by_text(config, "bos_token", tokenizer),
                        by_text(config, "eos_token", tokenizer), add_bos};
  if (!special.bos) special.bos = by_text(map, "bos_token", tokenizer);
  if (!special.eos) special.eos = by_text(map, "eos_token", tokenizer);
  if (const Json* say = config.find("add_bos_token"); say != nullptr && say->is_bool())
    special.add_bos = say->boolean("add_bos_token");
  // No file says: the names every sentencepiece vocabulary begins with.
  if (!special.bos && config.is_null() && map.is_null()) special.bos = tokenizer.find("<s>");
  if (!special.eos && config.is_null() && map.is_null()) special.eos = tokenizer.find("</s>");
  return special;
}

}  // namespace r1
