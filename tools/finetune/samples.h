#pragma once

#include <string>
#include <vector>

#include "tools/finetune/pupil.h"

namespace r1 {

// Prompts that show what has been learnt while it is.
class SamplePrompts {
 public:
  // Fails with `usage` for a prompt without a token, or one that the model has no room behind.
  SamplePrompts(const FinetuneSettings& settings, const TextOfModel& text, const Network& network);

  bool any() const { return !prompts_.empty(); }
  std::uint64_t cache_bytes(const Network& network) const;  // while they are completed
  // What the model goes on with after each, as r1-complete does: greedy, in f32, without healing.
  // Changes nothing in it.
  std::vector<std::string> completed(Pupil& pupil) const;

 private:
  std::int64_t cache_pages(const Network& network) const;

  const Tokenizer& tokenizer_;
  std::int64_t most_;  // tokens of a completion
  std::vector<std::vector<TokenId>> prompts_;
};

}  // namespace r1
