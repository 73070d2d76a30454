#include "tools/finetune/samples.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/decode/scheduler.h"
#include "lib/text/fim.h"
#include "tools/common/inputs.h"
#include "tools/common/signals.h"

namespace r1 {
namespace {

constexpr DType kCache = DType::f32;

}  // namespace

SamplePrompts::SamplePrompts(const FinetuneSettings& s, const TextOfModel& text,
                             const Network& network)
    : tokenizer_(text.tokenizer()), most_(s.sample_tokens) {
  for (const std::string& prompt : s.sample_prompts) {
    std::vector<TokenId> ids =
        encode_parts(tokenizer_, {{text_or_file(prompt)}}, tokenizer_.add_bos());
    if (ids.empty())
      fail(ErrorKind::usage,
           "a --sample-prompt is empty, and the model has no token to begin with");
    if (std::ssize(ids) >= network.shape().context)
      fail(ErrorKind::usage, "a --sample-prompt has {} tokens, and the model takes {}", ids.size(),
           network.shape().context);
    prompts_.push_back(std::move(ids));
  }
}

std::int64_t SamplePrompts::cache_pages(const Network& network) const {
  std::int64_t pages = 0;
  for (const std::vector<TokenId>& ids : prompts_)
    pages += pages_for(std::min(std::ssize(ids) + most_, network.shape().context));
  return pages;
}

std::uint64_t SamplePrompts::cache_bytes(const Network& network) const {
  KvShape kv = network.shape().kv;
  kv.dtype = kCache;
  return static_cast<std::uint64_t>(cache_pages(network)) * kv.page_bytes();
}

std::vector<std::string> SamplePrompts::completed(Pupil& pupil) const {
  std::vector<std::string> texts(prompts_.size());
  if (prompts_.empty()) return texts;
  const Learner learner = pupil.learner();
  if (learner.rounded != nullptr) learner.rounded->refresh();
  Scheduler scheduler(
      pupil.backend(), learner.network,
      {.max_batch = std::ssize(prompts_),
       .cache_pages = cache_pages(learner.network),
       .allowed_ids = tokenizer_.size(),
       .newline = *learner.newline,
       .kv_dtype = kCache,
       .adapters = learner.adapters,
       .replace = learner.rounded == nullptr ? Graph::Replace() : learner.rounded->replacement()});
  for (std::size_t i = 0; i < prompts_.size(); ++i)
    scheduler.submit({.prompt = prompts_[i],
                      .max_tokens = most_,
                      .stop_tokens = stop_tokens(tokenizer_, {}),
                      .on_token =
                          [&texts, i, this](const Sample& sample) {
                            texts[i] += tokenizer_.bytes(sample.id);
                            return true;
                          },
                      .on_finish = [](FinishReason) {},
                      .on_error = [](const Error&) {}});  // its text ends there
  while (scheduler.busy()) {
    stop_when_interrupted();
    scheduler.step();
  }
  for (std::string& text : texts) {
    Utf8Stream whole;  // the last character may be cut
    text = whole.push(text) + whole.finish();
  }
  return texts;
}

}  // namespace r1
