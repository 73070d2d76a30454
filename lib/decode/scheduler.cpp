#include "lib/decode/scheduler.h"

#include <algorithm>
#include <utility>

namespace r1 {
namespace {

constexpr std::size_t kMostCacheBytes = std::size_t{8} << 30;
constexpr std::size_t kRecent = 64;  // tokens that the repeat penalty looks at

KvShape kv_shape(const Network& network, DType dtype) {
  KvShape kv = network.shape().kv;
  kv.dtype = dtype;
  return kv;
}

std::int64_t page_count(const Network& network, const SchedulerOptions& options) {
  if (options.cache_pages > 0) return options.cache_pages;
  return default_cache_pages(kv_shape(network, options.kv_dtype), network.shape().context,
                             options.max_batch);
}

}  // namespace

std::int64_t pages_for(std::int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

// Memory that is never touched costs nothing on the CPU, so this is a limit, not a use.
std::int64_t default_cache_pages(const KvShape& kv, std::int64_t context, std::int64_t batch) {
  const std::int64_t several = batch * pages_for(std::min(context, kModerateTokens));
  const auto most = static_cast<std::int64_t>(kMostCacheBytes / kv.page_bytes());
  return std::max<std::int64_t>(1, std::min(std::max(several, pages_for(context)), most));
}

std::string_view finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::time:
      return "time";
    case FinishReason::interrupted:
      break;
  }
  return "interrupted";
}

struct Scheduler::Sequence {
  SequenceRequest request;
  std::vector<std::int32_t> ids;    // prompt and answer
  std::vector<std::int32_t> pages;  // taken as they are needed
  std::int64_t stored = 0;          // positions whose keys and values are in the cache
  std::int64_t noted = 0;           // whole pages the prefix index has seen
  PrefixIndex::Known known = 0;     // the last of them
  std::int64_t most = 0;            // ids at the end, at most
  bool done = false;

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t missing() const { return size() - stored; }
  bool reading() const { return stored < static_cast<std::int64_t>(request.prompt.size()); }
};

// One pass, and whose rows are in it.
struct Scheduler::Step {
  StepRows rows;
  std::vector<std::pair<Sequence*, std::int64_t>> counts;  // how many rows each got
  std::vector<Sequence*> ends;                             // by row of rows.wanted

  void add(Sequence& s, std::int64_t count, const std::vector<std::uint8_t>& lines) {
    const auto first = static_cast<std::int32_t>(rows.size());
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t id = s.ids[static_cast<std::size_t>(s.stored + i)];
      const auto line = static_cast<std::size_t>(id);
      rows.ids.push_back(id);
      rows.position.push_back(static_cast<std::int32_t>(s.stored + i));
      rows.start.push_back(first);
      rows.sequence.push_back(static_cast<std::int32_t>(counts.size()));
      rows.newline.push_back(line < lines.size() ? lines[line] : 0);
    }
    counts.emplace_back(&s, count);
    if (s.stored + count < s.size()) return;
    rows.wanted.push_back(first + static_cast<std::int32_t>(count) - 1);
    ends.push_back(&s);
  }
};

Scheduler::Scheduler(Backend& backend, const Network& network, SchedulerOptions options)
    : network_(network),
      options_(std::move(options)),
      cache_(backend, kv_shape(network, options_.kv_dtype), page_count(network, options_)),
      runner_(backend, network, cache_, options_.adapters, options_.replace),
      prefixes_(cache_),
      most_rows_(options_.chunk_tokens > 0 ? options_.chunk_tokens
                                           : default_chunk_tokens(backend.device())) {
  if (options_.allowed_ids <= 0) options_.allowed_ids = network.shape().vocab;
}

Scheduler::~Scheduler() = default;

std::int64_t Scheduler::context() const {
  return std::min(network_.shape().context, cache_.pages() * kPageTokens);
}

void Scheduler::submit(SequenceRequest request) {
  const auto prompt = static_cast<std::int64_t>(request.prompt.size());
  if (prompt >= context())
    fail(ErrorKind::too_long,
         "the prompt has {} tokens, and the model takes {}, one of them the answer's", prompt,
         context());
  auto s = std::make_unique<Sequence>();
  s->ids = request.prompt;
  s->most = prompt + std::clamp<std::int64_t>(request.max_tokens, 0, context() - prompt);
  s->request = std::move(request);
  waiting_.push_back(std::move(s));
}

bool Scheduler::busy() const { return !waiting_.empty() || !running_.empty(); }

bool Scheduler::full() const {
  return static_cast<std::int64_t>(waiting_.size() + running_.size()) >= options_.max_batch;
}

// A sequence starts only when the pages that all running ones may still want, and its own, are
// there: nothing that runs ever waits for a page.
bool Scheduler::admit(Sequence& s) {
  if (static_cast<std::int64_t>(running_.size()) >= options_.max_batch) return false;
  const auto same_beginning = [&s](const std::unique_ptr<Sequence>& other) {
    constexpr auto kPage = static_cast<std::size_t>(kPageTokens);
    return other->reading() && other->ids.size() > kPage && s.ids.size() > kPage &&
           std::equal(s.ids.begin(), s.ids.begin() + kPage, other->ids.begin());
  };
  // One that is just being read with this beginning will leave it in the index.
  if (options_.share_prefixes && std::any_of(running_.begin(), running_.end(), same_beginning))
    return false;
  if (options_.share_prefixes) {
    PrefixIndex::Beginning known = prefixes_.take(s.ids);
    s.pages = std::move(known.pages);
    s.known = known.last;
  }
  std::int64_t promised = 0;
  for (const auto& other : running_)
    promised += pages_for(other->most) - static_cast<std::int64_t>(other->pages.size());
  const std::int64_t want =
      promised + pages_for(s.most) - static_cast<std::int64_t>(s.pages.size());
  prefixes_.make_room(want);
  if (cache_.free_pages() < want) {
    release(s);
    return false;
  }
  s.stored = static_cast<std::int64_t>(s.pages.size()) * kPageTokens;
  s.noted = static_cast<std::int64_t>(s.pages.size());
  totals_.shared_tokens += s.stored;
  return true;
}

void Scheduler::drop_expired() {
  for (auto* list : {&running_, &waiting_})
    for (const auto& s : *list) {
      if (s->request.expired && s->request.expired())
        drop(*s, Error(ErrorKind::timeout, "it took too long"));
    }
  for (auto* list : {&running_, &waiting_})
    std::erase_if(*list, [](const std::unique_ptr<Sequence>& s) { return s->done; });
}

void Scheduler::admit_waiting() {
  while (!waiting_.empty() && admit(*waiting_.front()))
    running_.splice(running_.end(), waiting_, waiting_.begin());
}

// Sequences that are being continued first, one row each; then prompts, in order, in what is left.
// Prompts get a row at least, unless memory has run out.
Scheduler::Step Scheduler::plan() {
  Step step;
  const auto left = [&] { return most_rows_ - step.rows.size(); };
  for (const auto& s : running_)
    if ((!s->reading() || s->missing() == 1) && (left() > 0 || totals_.shrunk == 0))
      step.add(*s, s->missing(), options_.newline);
  std::int64_t least = totals_.shrunk == 0 ? 1 : 0;
  for (const auto& s : running_) {
    if (!s->reading() || s->missing() == 1) continue;
    const std::int64_t count = std::min(s->missing(), std::max(left(), least));
    if (count <= 0) break;
    step.add(*s, count, options_.newline);
    least = 0;
  }
  return step;
}

void Scheduler::begin_step() {
  drop_expired();
  admit_waiting();
  do {
    step_ = std::make_unique<Step>(plan());
  } while (!step_->counts.empty() && !queue(*step_));
}

// False when memory ran out, and the next plan has to be a smaller one. What the cache got by then
// it gets again.
bool Scheduler::queue(Step& step) {
  for (const auto& [s, count] : step.counts) {
    while (static_cast<std::int64_t>(s->pages.size()) < pages_for(s->stored + count))
      s->pages.push_back(cache_.take());
    step.rows.pages.emplace_back(s->pages);
  }
  try {
    runner_.queue(step.rows, leaders_wanted_of(step));
    return true;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::oom_cpu && e.kind() != ErrorKind::oom_gpu) throw;
    make_smaller(step, e);
  } catch (const std::bad_alloc&) {  // of a kernel's own room
    make_smaller(step, Error(ErrorKind::oom_cpu, "there is no memory for a step"));
  }
  return false;
}

// Half the rows, for good: a size that failed would fail again. One row is as small as a step gets.
void Scheduler::make_smaller(const Step& step, const Error& error) {
  runner_.release_memory();
  ++totals_.shrunk;
  most_rows_ = std::max<std::int64_t>(1, step.rows.size() / 2);
  if (step.rows.size() > 1) return;
  drop(*step.counts[0].first, error);
  std::erase_if(running_, [](const std::unique_ptr<Sequence>& s) { return s->done; });
}

void Scheduler::end_step() {
  if (step_ == nullptr || step_->counts.empty()) return;
  runner_.wait();
  const std::unique_ptr<Step> step = std::move(step_);
  for (const auto& [s, count] : step->counts) {
    s->stored += count;
    note_full_pages(*s);
  }
  for (std::size_t row = 0; row < step->ends.size(); ++row) advance(*step->ends[row], row);
  std::erase_if(running_, [](const std::unique_ptr<Sequence>& s) { return s->done; });
  ++totals_.steps;
}

// As many as the most demanding row wants. The logits themselves stay on the device.
LeadersWanted Scheduler::leaders_wanted_of(const Step& step) const {
  LeadersWanted wanted{.allowed = allowed()};
  for (const Sequence* s : step.ends) {
    const SequenceRequest& r = s->request;
    wanted.temperature.push_back(leader_temperature(r.sampling));
    wanted.sums |= r.sampling.temperature > 0 || r.top_logprobs >= 0;
    wanted.count = std::max(wanted.count, leaders_wanted(r.sampling, r.top_logprobs));
  }
  wanted.count = std::min(wanted.count, allowed());
  return wanted;
}

// The next token of the sequence whose logits are this row: from its leaders, or where these do not
// tell from the row itself.
Sample Scheduler::draw(const Sequence& s, std::size_t row) {
  const SequenceRequest& r = s.request;
  const auto produced = s.size() - static_cast<std::int64_t>(r.prompt.size());
  const auto among = r.among ? r.among() : std::vector<std::int32_t>();
  if (leaders_serve(r.sampling, !among.empty()))
    if (auto drawn =
            sample_leaders(runner_.leaders(row), r.sampling, r.stream, produced, r.top_logprobs))
      return *std::move(drawn);
  runner_.copy_logits(row_, row);
  const std::span<const std::int32_t> all = s.ids;
  return sample(row_, allowed(), all.last(std::min(all.size(), kRecent)), r.sampling, r.stream,
                produced, r.top_logprobs, among);
}

std::int64_t Scheduler::allowed() const {
  return std::min(options_.allowed_ids, network_.shape().vocab);
}

void Scheduler::note_full_pages(Sequence& s) {
  if (!options_.share_prefixes) return;
  constexpr auto kPage = static_cast<std::size_t>(kPageTokens);
  for (; (s.noted + 1) * kPageTokens <= s.stored; ++s.noted) {
    const auto i = static_cast<std::size_t>(s.noted);
    s.known = prefixes_.remember(s.known, std::span(s.ids).subspan(i * kPage, kPage), s.pages[i]);
  }
}

// Draws the next token of a sequence and ends it where it ends.
void Scheduler::advance(Sequence& s, std::size_t row) {
  const SequenceRequest& r = s.request;
  if (s.size() >= s.most) return finish(s, FinishReason::length);
  Sample drawn;
  try {
    drawn = draw(s, row);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::device) throw;  // nothing that follows could be trusted
    return drop(s, e);
  }
  if (std::binary_search(r.stop_tokens.begin(), r.stop_tokens.end(), drawn.id))
    return finish(s, FinishReason::stop);
  s.ids.push_back(drawn.id);
  if (!r.on_token(drawn)) return finish(s, FinishReason::stop);
  if (s.size() >= s.most) finish(s, FinishReason::length);
}

void Scheduler::drop(Sequence& s, const Error& error) {
  release(s);
  s.done = true;
  if (s.request.on_error) s.request.on_error(error);
}

void Scheduler::finish(Sequence& s, FinishReason reason) {
  if (options_.share_prefixes) prefixes_.refresh(s.ids);
  release(s);
  s.done = true;
  s.request.on_finish(reason);
}

void Scheduler::release(Sequence& s) {
  for (const std::int32_t page : s.pages) cache_.give_back(page);
  s.pages.clear();
}

void Scheduler::cancel_all(FinishReason reason) {
  if (step_ != nullptr && !step_->counts.empty()) runner_.wait();
  step_.reset();
  for (auto* list : {&running_, &waiting_}) {
    for (const auto& s : *list) finish(*s, reason);
    list->clear();
  }
}

}  // namespace r1
