#include "lib/tasks/completion.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "lib/base/utf8.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

// FNV-1a: which stream of random numbers an item's answer draws from.
std::uint64_t stream_of(std::string_view id, int answer) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (const char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return h + static_cast<std::uint64_t>(answer);
}

std::string_view last_line(std::string_view text) {
  const std::size_t newline = text.rfind('\n');
  return text.substr(newline == std::string_view::npos ? 0 : newline + 1);
}

// The block that a caret stands in: the indentation of its line, unless that line opens a block or
// is empty so far, when it is what is typed already, or the first line's that follows.
int block_indent(std::string_view prefix) {
  const std::string_view line = last_line(prefix);
  const std::size_t indent = line.find_first_not_of(" \t");
  if (indent == std::string_view::npos) return line.empty() ? -1 : static_cast<int>(line.size());
  const std::size_t last = line.find_last_not_of(" \t\r");
  return std::string_view(":{([").find(line[last]) == std::string_view::npos
             ? static_cast<int>(indent)
             : -1;
}

// Bytes of tokens to the text of one answer: stop rules, whole characters, reasoning apart.
class AnswerText {
 public:
  AnswerText(StopRules rules, bool thinks) : watcher_(std::move(rules)), thinking_(thinks) {}

  void push(std::string_view bytes) {
    if (!thinking_) {
      text_ += utf8_.push(watcher_.push(bytes));
      return;
    }
    raw_ += bytes;
    const ThoughtAndAnswer split = split_reasoning(raw_);
    if (!split.complete || split.answer.empty()) return;  // newlines before the answer do not count
    thinking_ = false;
    text_ += utf8_.push(watcher_.push(split.answer));
  }
  void finish() {
    if (!thinking_) text_ += utf8_.push(watcher_.finish());
    text_ += utf8_.finish();
  }
  bool stopped() const { return watcher_.stopped(); }
  const std::string& text() const { return text_; }
  std::string reasoning() const {
    Utf8Stream whole;
    std::string out = whole.push(split_reasoning(raw_).reasoning);
    return out + whole.finish();
  }
  bool cut_while_thinking() const { return thinking_ && !split_reasoning(raw_).complete; }

 private:
  StopWatcher watcher_;
  Utf8Stream utf8_;
  std::string text_, raw_;
  bool thinking_;
};

struct Progress {
  AnswerText text;
  Answer answer;
  bool finished = false;
};

}  // namespace

// An item under way: its result as far as it is known, and its answers.
struct Completer::Item {
  CompletionResult result;
  std::vector<std::unique_ptr<Progress>> answers;
  Clock::time_point deadline = Clock::time_point::max();
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
                   .allowed_ids = m.tokenizer->size(),
                   .newline = m.newline,
                   .kv_dtype = m.kv_dtype}) {}

  void begin();
  void start(CompletionRequest request);
  void submit(Item& item, std::vector<TokenId> prompt, bool thinks);
  std::vector<TokenId> encode(const CompletionRequest& request, bool& thinks);
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

std::vector<TokenId> Completer::State::encode(const CompletionRequest& r, bool& thinks) {
  const Tokenizer& t = *model.tokenizer;
  if (!r.messages.empty()) {
    if (model.chat_template.empty())
      fail(ErrorKind::model, "{} has no chat template", escaped(model.name));
    if (!chat) chat = ChatTemplate::recognise(model.chat_template);
    thinks = chat->thinks();
    return encode_parts(t, chat->render(r.messages), false);
  }
  if (r.suffix) {
    if (!model.fim)
      fail(ErrorKind::model, "{} cannot fill in before a suffix", escaped(model.name));
    return model.fim->encode(t, r.prefix, *r.suffix, r.extra);
  }
  std::string text;
  for (const ExtraFile& file : r.extra) text += file.text + "\n";
  return encode_parts(t, {{text + r.prefix}}, t.add_bos());
}

void Completer::State::start(CompletionRequest request) {
  inflight.push_back(std::make_unique<Item>());
  Item& item = *inflight.back();
  item.result.index = next_index++;
  item.result.request = std::move(request);
  const CompletionRequest& r = item.result.request;
  if (r.time_limit_ms > 0)
    item.deadline = Clock::now() + std::chrono::milliseconds(r.time_limit_ms);
  try {
    if (r.broken) throw Error(*r.broken);
    bool thinks = false;
    std::vector<TokenId> prompt = encode(r, thinks);
    if (prompt.empty())
      fail(ErrorKind::usage, "the prompt is empty, and the model has no token to begin with");
    item.result.prompt_tokens = static_cast<std::int64_t>(prompt.size());
    submit(item, std::move(prompt), thinks);
  } catch (const Error& e) {
    item.result.error = e;
    item.answers.clear();  // the scheduler refuses the first answer or none: nothing is under way
  }
}

void Completer::State::submit(Item& item, std::vector<TokenId> prompt, bool thinks) {
  const CompletionRequest& r = item.result.request;
  StopRules rules = r.stop;
  if (rules.at_block_end) rules.block_indent = block_indent(r.prefix);
  rules.mid_line = last_line(r.prefix).find_first_not_of(" \t") != std::string_view::npos;
  const std::string id = r.id.empty() ? std::to_string(item.result.index) : r.id;
  for (int k = 0; k < r.answers; ++k) {
    Progress& p = *item.answers.emplace_back(new Progress{AnswerText(rules, thinks), {}, false});
    SequenceRequest s{.prompt = prompt,
                      .max_tokens = r.max_tokens,
                      .sampling = r.sampling,
                      .stream = stream_of(id, k),
                      .top_logprobs = r.logprobs,
                      .stop_tokens = model.stop_tokens};
    s.on_token = [this, &item, &p](const Sample& sample) { return on_token(item, p, sample); };
    s.on_finish = [this, &item, &p](FinishReason reason) { on_finish(item, p, reason); };
    s.on_error = [&item, &p](const Error& e) {
      item.result.error = e;
      p.finished = true;
    };
    scheduler.submit(std::move(s));
  }
}

bool Completer::State::on_token(Item& item, Progress& p, const Sample& s) const {
  p.answer.tokens.push_back(s.id);
  if (item.result.request.logprobs >= 0) p.answer.samples.push_back(s);
  p.text.push(model.tokenizer->bytes(s.id));
  if (p.text.stopped()) return false;
  if (Clock::now() < item.deadline) return true;
  p.answer.finish = FinishReason::time;
  return false;
}

void Completer::State::on_finish(Item& item, Progress& p, FinishReason reason) const {
  p.text.finish();
  if (p.answer.finish != FinishReason::time) p.answer.finish = reason;
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
  s.begin();
  while (true) {
    s.accept(callbacks);
    if (!s.interrupted && callbacks.interrupted && callbacks.interrupted()) {
      s.interrupted = true;
      s.scheduler.cancel_all(FinishReason::interrupted);
    }
    if (s.scheduler.busy()) s.scheduler.step();
    s.hand_out(callbacks);
    if (s.inflight.empty() && (s.ended || s.interrupted)) return;
  }
}

}  // namespace r1
