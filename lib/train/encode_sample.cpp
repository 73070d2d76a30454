#include "lib/train/encode_sample.h"

#include <algorithm>
#include <map>
#include <span>

#include "lib/base/error.h"

namespace r1 {
namespace {

void append(std::vector<TokenId>& ids, std::span<const TokenId> more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

TrainingSample trained_from(std::size_t answer, std::vector<TokenId> ids) {
  std::vector<std::uint8_t> trained(ids.size(), 1);
  std::fill_n(trained.begin(), std::min(answer, ids.size()), std::uint8_t{0});
  return {std::move(ids), std::move(trained)};
}

// Where the answer begins in `both`, the tokens of a prompt and its answer as one text: behind the
// prompt's own tokens, and behind those that hold the rest of its bytes where the seam changed
// them.
std::size_t answer_begin(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                         std::span<const TokenId> both) {
  const auto [own, shared] = std::mismatch(prompt.begin(), prompt.end(), both.begin(), both.end());
  std::size_t bytes = 0;
  for (auto id = own; id != prompt.end(); ++id) bytes += tokenizer.bytes(*id).size();
  auto at = static_cast<std::size_t>(shared - both.begin());
  for (; bytes > 0 && at < both.size(); ++at)
    bytes -= std::min(bytes, tokenizer.bytes(both[at]).size());
  return at;
}

// encode_parts without BOS, but no text is encoded twice: a conversation is rendered anew for each
// of its answers.
class PartEncoder {
 public:
  explicit PartEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::vector<TokenId> encode(const std::vector<PromptPart>& parts) {
    std::vector<TokenId> ids;
    for (const PromptPart& part : parts) {
      const auto [known, is_new] = known_.try_emplace(part);
      if (is_new) known->second = encode_parts(tokenizer_, {part}, false);
      append(ids, known->second);
    }
    return ids;
  }

 private:
  const Tokenizer& tokenizer_;
  std::map<PromptPart, std::vector<TokenId>> known_;
};

bool begins_with(std::span<const TokenId> ids, std::span<const TokenId> beginning) {
  return ids.size() >= beginning.size() &&
         std::equal(beginning.begin(), beginning.end(), ids.begin());
}

// The answers of a conversation, each behind all that was said before: one sample as long as each
// begins with the one before it, else a sample each.
class Answers {
 public:
  void add(std::size_t begin, std::vector<TokenId> ids) {
    if (apart_.empty() && !begins_with(ids, ids_))
      for (const auto& [from, end] : spans_)
        apart_.push_back(trained_from(from, {ids_.begin(), ids_.begin() + end}));
    if (!apart_.empty()) return apart_.push_back(trained_from(begin, std::move(ids)));
    ids_ = std::move(ids);
    spans_.emplace_back(begin, std::ssize(ids_));
  }
  std::vector<TrainingSample> samples() && {
    if (!apart_.empty()) return std::move(apart_);
    if (spans_.empty()) return {};
    std::vector<std::uint8_t> trained(ids_.size());
    for (const auto& [from, end] : spans_)
      std::fill(trained.begin() + static_cast<std::ptrdiff_t>(from), trained.begin() + end,
                std::uint8_t{1});
    return {{std::move(ids_), std::move(trained)}};
  }

 private:
  std::vector<TokenId> ids_;                                   // up to the end of the last answer
  std::vector<std::pair<std::size_t, std::ptrdiff_t>> spans_;  // of the answers in it
  std::vector<TrainingSample> apart_;
};

TokenId existing(std::optional<TokenId> end) {
  if (!end) fail(ErrorKind::model, "the vocabulary has no token that ends a text");
  return *end;
}

}  // namespace

TokenId end_of_text(const Tokenizer& tokenizer) { return existing(tokenizer.eos()); }

std::vector<TokenId> begin_of_text(const Tokenizer& tokenizer) {
  if (!tokenizer.add_bos() || !tokenizer.bos()) return {};
  return {*tokenizer.bos()};
}

TrainingSample encode_completion(const Tokenizer& tokenizer, const std::string& prompt,
                                 const std::string& completion) {
  const bool bos = tokenizer.add_bos();
  std::vector<TokenId> ids = encode_parts(tokenizer, {{prompt + completion}}, bos);
  const std::size_t answer = answer_begin(tokenizer, encode_parts(tokenizer, {{prompt}}, bos), ids);
  ids.push_back(end_of_text(tokenizer));
  return trained_from(answer, std::move(ids));
}

std::vector<TrainingSample> encode_conversation(const Tokenizer& tokenizer,
                                                const ChatTemplate& chat_template,
                                                const std::vector<ChatMessage>& messages) {
  Answers answers;
  std::vector<ChatMessage> before;
  PartEncoder encoder(tokenizer);
  for (const ChatMessage& message : messages) {
    if (message.role == "assistant") {
      const auto prompt = encoder.encode(chat_template.render(before));
      auto both = encoder.encode(chat_template.render_with_answer(before, message.content));
      const std::size_t begin = answer_begin(tokenizer, prompt, both);
      answers.add(begin, std::move(both));
    }
    before.push_back(message);
  }
  return std::move(answers).samples();
}

TrainingSample encode_fill_in(const Tokenizer& tokenizer, const FimForm& form, FimForm::Order order,
                              const GappedText& text, std::size_t room) {
  const std::vector<TokenId> prefix = tokenizer.encode(text.prefix);
  const std::vector<TokenId> suffix = tokenizer.encode_continued(text.suffix);
  std::vector<TokenId> middle = tokenizer.encode_continued(text.middle);
  middle.push_back(existing(form.end()));

  std::vector<TokenId> ids = begin_of_text(tokenizer);
  const std::size_t around = prefix.size() + suffix.size();
  const std::size_t fixed = ids.size() + form.arrange(order, {}, {}).size() + middle.size();
  const std::size_t kept = std::min(around, room - std::min(fixed, room));
  const std::size_t kept_prefix = around == 0 ? 0 : kept * prefix.size() / around;
  append(ids, form.arrange(order, std::span(prefix).last(kept_prefix),
                           std::span(suffix).first(kept - kept_prefix)));
  const std::size_t begin = ids.size();
  append(ids, middle);
  return trained_from(begin, std::move(ids));
}

}  // namespace r1
