#include "lib/tasks/completion.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "lib/tasks/answer_text.h"
#include "lib/tasks/excerpt.h"
#include "lib/tasks/healing.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;  // of an answer: more than any context

// FNV-1a: which stream of random numbers an item's answer draws from.
std::uint64_t stream_of(std::string_view id, int answer) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (const char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return h + static_cast<std::uint64_t>(answer);
}

struct Progress {
  AnswerText text;
  std::string owed;  // what the text's end still has to be written again
  Answer answer;
  bool finished = false;

  // The bytes of a token without those that stand in the prompt's text already.
  std::string_view news(std::string_view bytes) {
    const std::size_t old = std::min(bytes.size(), owed.size());
    owed.erase(0, old);
    return bytes.substr(old);
  }
};

// What an extra file adds to a prompt at least; its name stands there only before a gap.
std::size_t bytes_of(const ExtraFile& file, bool gap) {
  return file.text.size() + 1 + (gap ? file.name.size() + 1 : 0);
}

// A request as the model reads it.
struct Prompt {
  std::vector<TokenId> ids;
  std::string owed;  // what was taken off its end, and the answer has to begin with
  Thoughts thoughts = Thoughts::none;
  bool cut = false;  // to fit
};

}  // namespace

// An item under way: its result as far as it is known, and its answers.
struct Completer::Item {
  CompletionResult result;
  std::vector<std::unique_ptr<Progress>> answers;
  Clock::time_point deadline = Clock::time_point::max();
  Clock::time_point timeout = Clock::time_point::max();
  std::size_t streamed = 0;  // bytes of the text that have been handed out

  bool finished() const {
    return std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a->finished; });
  }
};

struct Completer::State {
  Backend& backend;
  const LoadedModel& model;
  CompletionOptions options;
  Scheduler scheduler;
  std::optional<ChatTemplate> chat;
  std::deque<std::unique_ptr<Item>> inflight;  // in input order
  std::int64_t next_index = 0;
  bool ended = false, interrupted = false;

  State(Backend& b, const LoadedModel& m, const CompletionOptions& o)
      : backend(b),
        model(m),
        options(o),
        scheduler(b, *m.network,
                  {.max_batch = o.batch_size,
                   .cache_pages = m.cache_pages,
                   .allowed_ids = m.tokenizer->size(),
                   .newline = m.newline,
                   .kv_dtype = m.kv_dtype,
                   .adapters = m.low_ranks()}) {}

  void begin();
  void start(CompletionRequest request);
  void submit(Item& item, const Prompt& prompt);
  Prompt encode(const CompletionRequest& request);
  std::size_t most_bytes() const;
  [[noreturn]] void fail_hopeless(std::size_t bytes) const;
  Excerpt near_caret(const CompletionRequest& request) const;
  std::span<const ExtraFile> near_text(const CompletionRequest& request, const Excerpt& text) const;
  Prompt fitted(const CompletionRequest& request, const Excerpt& whole);
  std::vector<TokenId> encode_text(const CompletionRequest& request, const Excerpt& text,
                                   std::span<const ExtraFile> extra);
  std::vector<TokenId> ids_among(Progress& p) const;
  bool on_token(Item& item, Progress& p, const Sample& s) const;
  void on_finish(Item& item, Progress& p, FinishReason reason) const;
  void accept(const Callbacks& callbacks);
  void hand_out(const Callbacks& callbacks);
  void stream(const Callbacks& callbacks);
};

// Anything left of a run that an error broke off goes away.
void Completer::State::begin() {
  scheduler.cancel_all(FinishReason::interrupted);
  inflight.clear();
  next_index = 0;
  ended = interrupted = false;
}

Prompt Completer::State::encode(const CompletionRequest& r) {
  const Tokenizer& t = *model.tokenizer;
  if (!r.messages.empty()) {
    if (model.chat_template.empty())
      fail(ErrorKind::model, "{} has no chat template", escaped(model.name));
    std::size_t bytes = 0;
    for (const ChatMessage& message : r.messages) bytes += message.content.size();
    if (bytes > most_bytes()) fail_hopeless(bytes);
    if (!chat) chat = ChatTemplate::recognise(model.chat_template);
    const auto is_user = [](const ChatMessage& m) { return m.role == "user"; };
    if (chat->needs_user() && std::none_of(r.messages.begin(), r.messages.end(), is_user))
      fail(ErrorKind::usage, "messages have no user");
    return {.ids = encode_parts(t, chat->render(r.messages), false), .thoughts = chat->thoughts()};
  }
  const Excerpt text = near_caret(r);
  if (r.heal && r.max_tokens > 0) {
    const Healed healed = heal(t, text.before);
    Prompt prompt = fitted(r, {text.before.substr(0, healed.kept), text.behind});
    prompt.owed = healed.owed;
    if (!prompt.ids.empty()) return prompt;
  }
  return fitted(r, text);
}

// More than this can never fit: no token is longer than the longest. A tokenizer may make a text
// shorter (NFC; runs of spaces), though hardly four times.
std::size_t Completer::State::most_bytes() const {
  return 4 * static_cast<std::size_t>(scheduler.context()) * model.longest_token;
}

void Completer::State::fail_hopeless(std::size_t bytes) const {
  fail(ErrorKind::too_long, "the prompt has {} bytes, and the model takes {} tokens", bytes,
       scheduler.context());
}

// What may fit, so that a huge text takes neither time nor memory.
Excerpt Completer::State::near_caret(const CompletionRequest& r) const {
  const Excerpt all{r.prefix, r.suffix ? std::string_view(*r.suffix) : std::string_view()};
  const std::size_t most = most_bytes();
  std::size_t bytes = all.before.size() + all.behind.size();
  for (const ExtraFile& file : r.extra) bytes += bytes_of(file, r.suffix.has_value());
  if (bytes <= most) return all;
  if (!r.fit) fail_hopeless(bytes);
  return {all.before.substr(all.before.size() - std::min(all.before.size(), most)),
          all.behind.substr(0, most)};
}

// The same of extra files: those that are named last stand next to the text.
std::span<const ExtraFile> Completer::State::near_text(const CompletionRequest& r,
                                                       const Excerpt& text) const {
  std::size_t room = most_bytes() - std::min(most_bytes(), text.before.size() + text.behind.size());
  std::size_t first = r.extra.size();
  for (; first > 0; --first) {
    const std::size_t bytes = bytes_of(r.extra[first - 1], r.suffix.has_value());
    if (bytes > room) break;
    room -= bytes;
  }
  return std::span(r.extra).subspan(first);
}

// Extra files go before any of the text. The markers of a form and the seams of a cut take some
// tokens too; a tokenizer that rewrites text may take more, so that it is tried again with less.
Prompt Completer::State::fitted(const CompletionRequest& r, const Excerpt& whole) {
  std::span<const ExtraFile> extra = near_text(r, whole);
  Prompt prompt{.ids = encode_text(r, whole, extra), .cut = extra.size() < r.extra.size()};
  const std::int64_t context = scheduler.context();
  const std::int64_t most = context - std::min(r.max_tokens, context / 4);
  const auto fits = [&] { return static_cast<std::int64_t>(prompt.ids.size()) <= most; };
  if (r.fit && !fits() && !extra.empty()) {
    // The fewest that have to go, by halving: each try reads all that is left.
    std::size_t too_few = 0, enough = extra.size();
    while (enough - too_few > 1) {
      const std::size_t middle = too_few + (enough - too_few) / 2;
      prompt.ids = encode_text(r, whole, extra.subspan(middle));
      (fits() ? enough : too_few) = middle;
    }
    extra = extra.subspan(enough);
    prompt.ids = encode_text(r, whole, extra);
    prompt.cut = true;
  }
  for (std::int64_t room = most - 16; r.fit && !fits() && room > 0; room = room * 3 / 4) {
    prompt.ids =
        encode_text(r, around_caret(*model.tokenizer, whole.before, whole.behind, room), extra);
    prompt.cut = true;
  }
  return prompt;
}

std::vector<TokenId> Completer::State::encode_text(const CompletionRequest& r, const Excerpt& text,
                                                   std::span<const ExtraFile> extra) {
  const Tokenizer& t = *model.tokenizer;
  if (r.suffix) {
    if (!model.fim)
      fail(ErrorKind::model, "{} cannot fill in before a suffix", escaped(model.name));
    return model.fim->encode(t, text.before, text.behind, extra);
  }
  std::string whole;
  for (const ExtraFile& file : extra) whole += file.text + "\n";
  return encode_parts(t, {{whole.append(text.before)}}, t.add_bos());
}

void Completer::State::start(CompletionRequest request) {
  inflight.push_back(std::make_unique<Item>());
  Item& item = *inflight.back();
  item.result.index = next_index++;
  item.result.request = std::move(request);
  const CompletionRequest& r = item.result.request;
  if (r.skip) return;
  if (r.time_limit_ms > 0)
    item.deadline = Clock::now() + std::chrono::milliseconds(r.time_limit_ms);
  if (r.timeout_ms > 0) item.timeout = Clock::now() + std::chrono::milliseconds(r.timeout_ms);
  try {
    if (r.broken) throw Error(*r.broken);
    const Prompt prompt = encode(r);
    if (prompt.ids.empty())
      fail(ErrorKind::usage, "the prompt is empty, and the model has no token to begin with");
    if (prompt.cut)
      item.result.warnings.push_back(
          "the text is longer than the model takes: what is far from the caret was left out");
    item.result.prompt_tokens = static_cast<std::int64_t>(
        prompt.ids.size() + model.tokenizer->encode_continued(prompt.owed).size());
    submit(item, prompt);
    return;
  } catch (const Error& e) {
    item.result.error = e;
  } catch (const std::bad_alloc&) {
    item.result.error = Error(ErrorKind::oom_cpu, "there is no memory for this text");
  }
  item.answers.clear();  // the scheduler refuses the first answer or none: nothing is under way
}

void Completer::State::submit(Item& item, const Prompt& prompt) {
  const CompletionRequest& r = item.result.request;
  const StopRules rules = rules_after(r.stop, r.messages.empty() ? r.prefix : std::string_view());
  const std::string id = r.id.empty() ? std::to_string(item.result.index) : r.id;
  // Tokens that only write again what was taken back do not count.
  const auto spare = static_cast<std::int64_t>(prompt.owed.size());
  for (int k = 0; k < r.answers; ++k) {
    Progress& p = *item.answers.emplace_back(
        new Progress{AnswerText(rules, prompt.thoughts), prompt.owed, {}, false});
    SequenceRequest s{.prompt = prompt.ids,
                      .max_tokens = std::min(r.max_tokens, kMostTokens) + spare,
                      .sampling = r.sampling,
                      .stream = stream_of(id, k),
                      .top_logprobs = r.logprobs,
                      .stop_tokens = model.stop_tokens};
    if (spare > 0) s.among = [this, &p] { return ids_among(p); };
    if (r.timeout_ms > 0) s.expired = [&item] { return Clock::now() >= item.timeout; };
    s.on_token = [this, &item, &p](const Sample& sample) { return on_token(item, p, sample); };
    s.on_finish = [this, &item, &p](FinishReason reason) { on_finish(item, p, reason); };
    s.on_error = [&item, &p](const Error& e) {
      item.result.error = e;
      p.finished = true;
    };
    scheduler.submit(std::move(s));
  }
}

std::vector<TokenId> Completer::State::ids_among(Progress& p) const {
  if (p.owed.empty()) return {};
  std::vector<TokenId> ids = ids_that_agree(*model.tokenizer, p.owed);
  std::erase_if(ids, [this](TokenId id) {
    return std::binary_search(model.stop_tokens.begin(), model.stop_tokens.end(), id);
  });
  if (ids.empty()) p.owed.clear();  // nothing writes it again: any token will do
  return ids;
}

bool Completer::State::on_token(Item& item, Progress& p, const Sample& s) const {
  const CompletionRequest& r = item.result.request;
  const bool owes = !p.owed.empty();
  const std::string_view news = p.news(model.tokenizer->bytes(s.id));
  if (!owes || !news.empty()) {
    p.answer.tokens.push_back(s.id);
    if (r.logprobs >= 0) p.answer.samples.push_back(s);
    p.text.push(news);
    if (p.text.stopped()) return false;
  }
  if (Clock::now() >= item.deadline)
    p.answer.finish = FinishReason::time;
  else if (static_cast<std::int64_t>(p.answer.tokens.size()) >= r.max_tokens)
    p.answer.finish = FinishReason::length;
  return p.answer.finish == FinishReason::stop;
}

void Completer::State::on_finish(Item& item, Progress& p, FinishReason reason) const {
  p.text.finish();
  if (p.answer.finish == FinishReason::stop) p.answer.finish = reason;
  p.answer.text = p.text.text();
  p.answer.reasoning = p.text.reasoning();
  p.finished = true;
  if (reason == FinishReason::interrupted)
    item.result.error = Error(ErrorKind::interrupted, "interrupted");
  else if (p.text.cut_while_thinking())
    item.result.warnings.emplace_back("the reasoning was cut before an answer");
}

// Takes in what has arrived, as far as there is room.
void Completer::State::accept(const Callbacks& callbacks) {
  while (!ended && !interrupted && !scheduler.full() &&
         static_cast<std::int64_t>(inflight.size()) < options.max_inflight) {
    CompletionRequest request;
    switch (callbacks.next(request, inflight.empty())) {
      case Next::request:
        start(std::move(request));
        break;
      case Next::not_yet:
        return;
      case Next::end:
        ended = true;
        break;
    }
  }
}

void Completer::State::stream(const Callbacks& callbacks) {
  if (!callbacks.stream || inflight.empty() || inflight.front()->answers.size() != 1) return;
  Item& head = *inflight.front();
  const std::string& text = head.answers[0]->text.text();
  if (text.size() == head.streamed) return;
  callbacks.stream(std::string_view(text).substr(head.streamed));
  head.streamed = text.size();
}

void Completer::State::hand_out(const Callbacks& callbacks) {
  stream(callbacks);
  for (auto at = inflight.begin(); at != inflight.end();) {
    Item& item = **at;
    if (!item.finished()) {
      if (!options.unordered) return;
      ++at;
      continue;
    }
    for (const auto& p : item.answers) item.result.answers.push_back(std::move(p->answer));
    item.result.smaller_steps = scheduler.totals().shrunk > 0;
    callbacks.done(std::move(item.result));
    at = inflight.erase(at);
    stream(callbacks);
  }
}

Completer::Completer(Backend& backend, const LoadedModel& model, const CompletionOptions& options)
    : state_(std::make_unique<State>(backend, model, options)) {}

Completer::~Completer() = default;

void Completer::run(const Callbacks& callbacks) {
  State& s = *state_;
  // A device works by itself: meanwhile results are written, and new requests read.
  const bool beside = s.backend.device() == Device::cuda;
  s.begin();
  while (true) {
    s.accept(callbacks);
    if (!s.interrupted && callbacks.interrupted && callbacks.interrupted()) {
      s.interrupted = true;
      s.scheduler.cancel_all(FinishReason::interrupted);
    }
    if (s.scheduler.busy()) s.scheduler.begin_step();
    if (beside) {
      s.hand_out(callbacks);
      s.accept(callbacks);
    }
    s.scheduler.end_step();
    if (beside)
      s.stream(callbacks);
    else
      s.hand_out(callbacks);
    if (s.inflight.empty() && (s.ended || s.interrupted)) return;
  }
}

}  // namespace r1
