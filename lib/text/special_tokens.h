#pragma once

#include <optional>

#include "lib/text/tokenizer.h"

namespace r1 {

struct SpecialTokens {
  std::optional<TokenId> bos, eos;
  bool add_bos = false;
};

// The token that a Hugging Face directory names by `key` ("pad_token"), if its vocabulary has it.
std::optional<TokenId> special_token(const ModelFiles& files, std::string_view key,
                                     const Tokenizer& tokenizer);

// BOS and EOS of a model's files. In a Hugging Face directory they are strings, looked up in the
// vocabulary: the ids in config.json contradict them in some published models. `add_bos` is what
// this kind of tokenizer does when the files do not say.
SpecialTokens special_tokens(const ModelFiles& files, const Tokenizer& tokenizer, bool add_bos);

}  // namespace r1
