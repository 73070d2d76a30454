#pragma once

#include <string>
#include <vector>

#include "lib/train/dataset.h"
#include "lib/train/fim_cut.h"

namespace r1 {

// Documents as tokens with a loss mask, of any length. BOS and what ends a document are there
// exactly once, as the tokenizer and the forms say. All fail with `model` where the vocabulary has
// no token that ends a text.

// The token that ends a plain text.
TokenId end_of_text(const Tokenizer& tokenizer);
// BOS, where a plain text begins with it.
std::vector<TokenId> begin_of_text(const Tokenizer& tokenizer);

// The completion and EOS are trained. A token across the border belongs to the prompt.
TrainingSample encode_completion(const Tokenizer& tokenizer, const std::string& prompt,
                                 const std::string& completion);

// Every answer is trained, with the marker that ends it. One sample where the conversation up to an
// answer is how the whole begins; else, because a template shows earlier answers in another way
// (without their reasoning), a sample for each answer. None without an answer.
std::vector<TrainingSample> encode_conversation(const Tokenizer& tokenizer,
                                                const ChatTemplate& chat_template,
                                                const std::vector<ChatMessage>& messages);

// The middle and what ends it are trained. What goes over `room` tokens is taken from the far ends
// of prefix and suffix; the middle stays whole, even if it alone is longer.
TrainingSample encode_fill_in(const Tokenizer& tokenizer, const FimForm& form, FimForm::Order order,
                              const GappedText& text, std::size_t room);

}  // namespace r1
