#include "tools/bench/serve.h"

#include <algorithm>

#include "lib/base/error.h"
#include "tools/bench/machine.h"
#include "tools/bench/ranges.h"
#include "tools/bench/statistics.h"
#include "tools/common/inputs.h"
#include "tools/common/signals.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

// Requests on their way through a scheduler, with the times that matter.
class Run {
 public:
  Run(Scheduler& scheduler, const std::vector<ServeRequest>& requests, std::int64_t vocab)
      : scheduler_(scheduler), requests_(requests), vocab_(vocab), times_(requests.size()) {}

  ServeOutcome all(Batching batching) {
    start_ = Clock::now();
    while (next_ < requests_.size() || scheduler_.busy()) {
      stop_when_interrupted();
      if (batching == Batching::dynamic || !scheduler_.busy()) admit();
      if (scheduler_.busy())
        scheduler_.step();
      else
        wait_for((requests_[next_].at_ns - nanoseconds_since(start_)) / 1e6);
      if (failed_) throw *failed_;
    }
    return outcome();
  }

 private:
  struct Times {
    double first = 0, last = 0;
    std::int64_t tokens = 0;
  };

  void admit() {
    while (next_ < requests_.size() && !scheduler_.full() &&
           requests_[next_].at_ns <= nanoseconds_since(start_))
      submit(next_++);
  }

  void submit(std::size_t i) {
    SequenceRequest r;
    for (std::int64_t t = 0; t < requests_[i].prompt_tokens; ++t)
      r.prompt.push_back(
          static_cast<std::int32_t>((static_cast<std::int64_t>(i) * 7919 + t * 31) % vocab_));
    r.max_tokens = requests_[i].answer_tokens;
    r.on_token = [this, i](const Sample&) {
      Times& t = times_[i];
      t.last = nanoseconds_since(start_);
      if (t.tokens++ == 0) t.first = t.last;
      return true;
    };
    r.on_finish = [](FinishReason) {};
    r.on_error = [this](const Error& e) { failed_ = e; };
    scheduler_.submit(std::move(r));
  }

  ServeOutcome outcome() const {
    ServeOutcome o;
    for (std::size_t i = 0; i < times_.size(); ++i) {
      const Times& t = times_[i];
      o.wall_ns = std::max(o.wall_ns, t.last);
      o.tokens += t.tokens;
      o.ttft_ms.push_back((t.first - requests_[i].at_ns) / 1e6);
      if (t.tokens > 1)
        o.per_token_ms.push_back((t.last - t.first) / 1e6 / static_cast<double>(t.tokens - 1));
    }
    o.wall_ns -= requests_.front().at_ns;
    return o;
  }

  Scheduler& scheduler_;
  const std::vector<ServeRequest>& requests_;
  std::int64_t vocab_;
  std::vector<Times> times_;
  std::size_t next_ = 0;
  std::optional<Error> failed_;
  Clock::time_point start_;
};

std::optional<Percentiles> percentiles(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return Percentiles{quantile(values, 0.5), quantile(values, 0.9), quantile(values, 0.99)};
}

std::int64_t single(const std::string& list, const char* shown) {
  const std::vector<std::int64_t> numbers = parse_ranges(list, shown, 1, 1'000'000);
  if (numbers.size() != 1)
    fail(ErrorKind::usage, "--serve wants one number for {}, the median length", shown);
  return numbers[0];
}

std::string shown_lengths(const BenchSettings& s) {
  if (!s.lengths.empty()) return s.lengths;
  return fmt::format("lognormal, medians {} and {}, spread {}", s.prompt_tokens, s.max_tokens,
                     s.spread);
}

// One way of batching, over its turns.
struct Side {
  BenchRecord record;
  std::vector<double> ttft_ms, per_token_ms;
  std::optional<CpuTimes> spent = CpuTimes{};  // over its own turns

  void add(const ServeOutcome& o) {
    record.samples_ns.push_back(o.wall_ns);
    record.tokens = static_cast<double>(o.tokens);
    ttft_ms.insert(ttft_ms.end(), o.ttft_ms.begin(), o.ttft_ms.end());
    per_token_ms.insert(per_token_ms.end(), o.per_token_ms.begin(), o.per_token_ms.end());
  }
  void add(const std::optional<CpuTimes>& before, const std::optional<CpuTimes>& after) {
    if (!before || !after || !spent) return spent.reset();
    spent->all += after->all - before->all;
    spent->own += after->own - before->own;
    spent->wall += after->wall - before->wall;
  }
  BenchRecord done() {
    record.serve->ttft_ms = percentiles(ttft_ms).value();
    record.serve->per_token_ms = percentiles(per_token_ms);
    record.ttft_ns = record.serve->ttft_ms.p50 * 1e6;
    record.peak_rss = peak_rss();
    record.interference = interference(CpuTimes{}, spent);
    if (const auto warning = disturbance(record.interference)) record.warnings.push_back(*warning);
    return std::move(record);
  }
};

Side side_of(const MeasuredNetwork& model, const BenchSettings& s, std::int64_t batch,
             Batching batching, const std::vector<std::string>& warnings) {
  Side side;
  side.record = model.record();
  side.record.id = serve_id(batching, batch);
  side.record.test.kind = "serve";
  side.record.test.batch_size = batch;
  side.record.serve = ServeInfo{
      .requests = s.requests, .seed = s.seed, .rate = s.rate, .lengths = shown_lengths(s)};
  side.record.warnings = warnings;
  side.record.time = utc_now();
  return side;
}

std::int64_t longest(const std::vector<ServeRequest>& requests) {
  std::int64_t most = 0;
  for (const ServeRequest& r : requests) most = std::max(most, r.prompt_tokens + r.answer_tokens);
  return most;
}

}  // namespace

ServeOutcome serve(Scheduler& scheduler, const std::vector<ServeRequest>& requests,
                   std::int64_t vocab, Batching batching) {
  return Run(scheduler, requests, vocab).all(batching);
}

std::string serve_id(Batching batching, std::int64_t batch) {
  return fmt::format("serve:{}@b{}", batching == Batching::fixed ? "static" : "dynamic", batch);
}

std::vector<ServeRequest> requests_of(const BenchSettings& s, const std::string& lengths,
                                      std::int64_t context, std::vector<std::string>& warnings) {
  const auto seed = static_cast<std::uint64_t>(s.seed);
  std::vector<ServeRequest> requests =
      s.lengths.empty()
          ? make_requests(
                s.requests, s.rate,
                LengthDistribution{static_cast<double>(single(s.prompt_tokens, "--prompt-tokens")),
                                   static_cast<double>(single(s.max_tokens, "-n")), s.spread},
                seed)
          : make_requests(s.requests, s.rate, lengths, shown_input(s.lengths), seed);
  if (const std::int64_t cut = fit_into(requests, context); cut > 0)
    warnings.push_back(fmt::format("{} of {} requests were cut to the {} positions of the model",
                                   cut, s.requests, context));
  return requests;
}

std::vector<BenchRecord> compare_batching(Backend& backend, const MeasuredNetwork& model,
                                          const BenchSettings& s, const std::string& lengths,
                                          std::int64_t batch) {
  const Network& network = *model.model().network;
  std::vector<std::string> warnings;
  const auto requests = requests_of(s, lengths, network.shape().context, warnings);
  Scheduler scheduler(backend, network,
                      {.max_batch = batch,
                       .cache_pages = batch * pages_for(longest(requests) + 1),
                       .share_prefixes = false,
                       .kv_dtype = model.model().kv_dtype,
                       .adapters = model.model().low_ranks()});
  const std::int64_t vocab = network.shape().vocab;
  Side sides[] = {side_of(model, s, batch, Batching::fixed, warnings),
                  side_of(model, s, batch, Batching::dynamic, warnings)};
  for (std::int64_t i = 0; i < s.warmup; ++i) serve(scheduler, requests, vocab, Batching::dynamic);
  reset_peak_rss();
  backend.reset_peak();
  for (std::int64_t i = 0; i < s.repeat; ++i)
    for (const Batching batching : {Batching::fixed, Batching::dynamic}) {
      Side& side = sides[batching == Batching::dynamic];
      const auto before = cpu_times();
      side.add(serve(scheduler, requests, vocab, batching));
      side.add(before, cpu_times());
    }
  for (Side& side : sides) side.record.peak_vram = peak_vram(backend);
  const Ratio over = ratio_of(sides[0].record.samples_ns, sides[1].record.samples_ns);
  OverStatic& shown = sides[1].record.serve->over_static.emplace();
  shown.ratio = over.value;
  if (over.interval) shown.low = over.interval->low, shown.high = over.interval->high;
  return {sides[0].done(), sides[1].done()};
}

}  // namespace r1
