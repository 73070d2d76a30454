#include "tools/bench/quality_pass.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <numeric>
#include <utility>

#include "lib/base/parallel.h"
#include "lib/decode/scheduler.h"
#include "tools/bench/machine.h"
#include "tools/bench/quality.h"
#include "tools/bench/stepper.h"
#include "tools/common/signals.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

// Logits that a model makes at once: 32 MiB of them, 55 rows of a vocabulary of 150,000.
constexpr std::int64_t kMostLogits = std::int64_t{1} << 23;

// A network over one window after the other.
class WindowReader {
 public:
  WindowReader(Backend& backend, const LoadedModel& model, std::int64_t window)
      : model_(model),
        chunk_(default_chunk_tokens(backend.device())),
        cache_(backend, cache_shape(backend, *model.network, model.kv_dtype, 1, window),
               pages_for(window)),
        pages_(cache_.numbers()),
        runner_(backend, *model.network, cache_, model.low_ranks()) {}

  // Reads ids [begin, end) of a window, whose ids before are read, for those that come behind.
  void skip(std::span<const TokenId> window, std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; at += chunk_) {
      stop_when_interrupted();
      runner_.queue(rows_of(window, at, std::min(at + chunk_, end)), {});
      runner_.wait();
    }
  }

  // The same in one step; to.size() = end - begin rows of logits [V] come out.
  void read(std::vector<std::vector<float>>& to, std::span<const TokenId> window,
            std::int64_t begin, std::int64_t end) {
    StepRows rows = rows_of(window, begin, end);
    rows.wanted.resize(rows.ids.size());
    std::iota(rows.wanted.begin(), rows.wanted.end(), 0);
    runner_.queue(rows, {.temperature = std::vector<float>(rows.ids.size(), 1.0f),
                         .allowed = model_.network->shape().vocab});
    runner_.wait();
    to.resize(rows.ids.size());
    for (std::size_t r = 0; r < to.size(); ++r) runner_.copy_logits(to[r], r);
  }

 private:
  StepRows rows_of(std::span<const TokenId> window, std::int64_t begin, std::int64_t end) const {
    StepRows rows;
    for (std::int64_t at = begin; at < end; ++at) {
      const TokenId id = window[static_cast<std::size_t>(at)];
      rows.ids.push_back(id);
      rows.position.push_back(static_cast<std::int32_t>(at));
      rows.newline.push_back(model_.newline[static_cast<std::size_t>(id)]);
    }
    rows.start.assign(rows.ids.size(), 0);
    rows.sequence.assign(rows.ids.size(), 0);
    rows.pages = {pages_};
    return rows;
  }

  const LoadedModel& model_;
  std::int64_t chunk_;
  KvCache cache_;
  std::vector<std::int32_t> pages_;
  StepRunner runner_;
};

// A model in a pass, and what it has counted.
struct Reading {
  Reading(const MeasuredNetwork& measured, QualityOutcome& to) : network(measured), outcome(to) {}

  const MeasuredNetwork& network;
  QualityOutcome& outcome;
  std::optional<WindowReader> reader;
  std::vector<QualityBlock> blocks;
};

// The rows of a step, on the host.
struct LogitRows {
  std::vector<std::vector<float>> logits;   // [R][V]
  std::vector<Distribution> distributions;  // [R], of them
};

// One pass over a text, by models that read it alike. The first is what others are held against.
class Pass {
 public:
  // Fails with `usage` where there is no token to predict. Everything outlives this.
  Pass(Backend& backend, const QualityText& text, const Tokenizer& tokenizer,
       std::vector<TokenId> ids, std::int64_t window)
      : backend_(backend),
        text_(text),
        tokenizer_(tokenizer),
        ids_(std::move(ids)),
        window_(window),
        windows_(text_windows(std::ssize(ids_), window, tokenizer.add_bos())) {
    if (windows_.empty())
      fail(ErrorKind::usage, "{} is too short: there is no token to predict", escaped(text.name));
  }

  void join(const MeasuredNetwork& model, QualityOutcome& to) { readings_.emplace_back(model, to); }
  std::int64_t windows() const { return std::ssize(windows_); }

  // What ends it is in the outcomes of all that were still reading.
  void run(ThreadPool& pool, const std::function<void()>& next) {
    const std::int64_t vocab = readings_.front().network.model().network->shape().vocab;
    const std::int64_t rows =
        std::clamp<std::int64_t>(kMostLogits / vocab, 1, default_chunk_tokens(backend_.device()));
    try {
      for (Reading& r : readings_)
        attempt(r, [&] { r.reader.emplace(backend_, r.network.model(), window_); });
      for (const TextWindow& w : windows_) {
        score(w, rows, pool);
        next();
      }
    } catch (const Error& e) {
      for (Reading& r : readings_)
        if (!r.outcome.error) r.outcome.error = e;
    }
    for (Reading& r : readings_) finish(r);
  }

 private:
  // One model's failure is its own, unless it is the first's.
  template <typename Body>
  void attempt(Reading& r, Body&& body) {
    if (r.outcome.error) return;
    try {
      body();
    } catch (const Error& e) {
      const std::string name = escaped(r.network.info().name);
      r.outcome.error = e.kind() == ErrorKind::interrupted
                            ? e
                            : Error(e.kind(), fmt::format("{}: {}", name, e.what()));
      if (&r == &readings_.front() || e.kind() == ErrorKind::interrupted) throw *r.outcome.error;
    }
  }

  void score(const TextWindow& w, std::int64_t most_rows, ThreadPool& pool) {
    std::vector<TokenId> window;
    if (tokenizer_.add_bos()) window.push_back(*tokenizer_.bos());
    const std::int64_t shift = std::ssize(window) - w.begin;  // token t is window[t + shift]
    window.insert(window.end(), ids_.begin() + w.begin, ids_.begin() + w.end);
    for (Reading& r : readings_)
      attempt(r, [&] {
        r.blocks.emplace_back();
        r.reader->skip(window, 0, w.from + shift - 1);
      });
    for (std::int64_t t = w.from; t < w.end; t += most_rows) {
      const std::int64_t n = std::min(most_rows, w.end - t), row = t + shift - 1;
      const std::span<const TokenId> next =
          std::span(window).subspan(static_cast<std::size_t>(row + 1), static_cast<std::size_t>(n));
      stop_when_interrupted();
      for (Reading& r : readings_)
        attempt(r, [&] {
          LogitRows& rows = &r == &readings_.front() ? base_rows_ : rows_;
          r.reader->read(rows.logits, window, row, row + n);
          count(r.blocks.back(), rows, next, pool);
        });
    }
  }

  // Adds what the rows of logits say of `next`, the tokens that follow them.
  void count(QualityBlock& block, LogitRows& rows, std::span<const TokenId> next,
             ThreadPool& pool) {
    const std::vector<Distribution>& base = base_rows_.distributions;
    std::vector<double> divergences(next.size());
    rows.distributions.resize(next.size());
    pool.for_ranges(std::ssize(next), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); std::cmp_less(i, end); ++i) {
        rows.distributions[i] = distribution(rows.logits[i]);
        if (&rows != &base_rows_) divergences[i] = divergence(base[i], rows.distributions[i]);
      }
    });
    for (std::size_t i = 0; i < next.size(); ++i) {
      const Distribution& d = rows.distributions[i];
      if (!std::isfinite(d.log_sum))
        fail(ErrorKind::model, "the model gave logits that are not numbers");
      const auto token = static_cast<std::size_t>(next[i]);
      block.tokens += 1;
      block.bytes += static_cast<double>(tokenizer_.bytes(next[i]).size());
      block.nll += d.nll(token);
      block.correct += d.best == token;
      block.nll_over_base += d.nll(token) - base[i].nll(token);
      block.divergence += divergences[i];
      block.agreed += d.best == base[i].best;
    }
  }

  void finish(Reading& r) {
    r.reader.reset();
    if (r.outcome.error) return;
    const Reading& base = readings_.front();
    QualityInfo q = quality_of(r.blocks, &r != &base ? &base.network.info().name : nullptr);
    q.text = text_.name;
    q.window = window_;
    r.outcome.record.quality = std::move(q);
  }

  Backend& backend_;
  const QualityText& text_;
  const Tokenizer& tokenizer_;
  std::vector<TokenId> ids_;
  std::int64_t window_;
  std::vector<TextWindow> windows_;
  std::deque<Reading> readings_;  // they stay where they are
  LogitRows base_rows_, rows_;    // of the first, and of the others in turn
};

// Does the same column of logits mean the same to both?
bool same_vocabulary(const LoadedModel& a, const LoadedModel& b) {
  const Tokenizer &s = *a.tokenizer, &t = *b.tokenizer;
  if (a.network->shape().vocab != b.network->shape().vocab || s.size() != t.size() ||
      s.add_bos() != t.add_bos() || s.bos() != t.bos())
    return false;
  for (TokenId id = 0; id < s.size(); ++id)
    if (s.bytes(id) != t.bytes(id) || s.is_marker(id) != t.is_marker(id)) return false;
  return true;
}

// As many of them as stand for at most so many bytes.
std::vector<TokenId> cut(std::vector<TokenId> ids, const Tokenizer& tokenizer, std::size_t bytes) {
  std::size_t n = 0;
  for (std::size_t sum = 0; n < ids.size(); ++n)
    if ((sum += tokenizer.bytes(ids[n]).size()) > bytes) break;
  ids.resize(n);
  return ids;
}

std::size_t bytes_of(const std::vector<TokenId>& ids, const Tokenizer& tokenizer) {
  std::size_t sum = 0;
  for (const TokenId id : ids) sum += tokenizer.bytes(id).size();
  return sum;
}

// Which of the models read the text together, and what of it.
std::deque<Pass> passes_of(Backend& backend,
                           std::span<const std::unique_ptr<MeasuredNetwork>> models,
                           bool against_first, const QualityText& text,
                           std::vector<QualityOutcome>& outcomes) {
  std::int64_t window = text.window;
  for (const auto& m : models)
    if (!text.exact) window = std::min(window, m->model().network->shape().context);
  const LoadedModel& first = models[0]->model();
  const std::vector<TokenId> all = first.tokenizer->encode(text.bytes);
  std::vector<TokenId> ids = all;
  if (const std::int64_t most = text.limit + (first.tokenizer->add_bos() ? 0 : 1);
      text.limit > 0 && most < std::ssize(ids))
    ids.resize(static_cast<std::size_t>(most));
  const std::size_t bytes = bytes_of(ids, *first.tokenizer);
  std::deque<Pass> passes;
  passes.emplace_back(backend, text, *first.tokenizer, ids, window).join(*models[0], outcomes[0]);
  for (std::size_t i = 1; i < models.size(); ++i) {
    const LoadedModel& model = models[i]->model();
    std::vector<TokenId> own = model.tokenizer->encode(text.bytes);
    if (against_first && own == all && same_vocabulary(first, model)) {
      passes[0].join(*models[i], outcomes[i]);
      continue;
    }
    if (against_first)
      outcomes[i].record.warnings.push_back(
          fmt::format("{} has another vocabulary than {}: only their bits per byte compare",
                      escaped(models[i]->info().name), escaped(models[0]->info().name)));
    try {
      passes
          .emplace_back(backend, text, *model.tokenizer,
                        text.limit > 0 ? cut(own, *model.tokenizer, bytes) : own, window)
          .join(*models[i], outcomes[i]);
    } catch (const Error& e) {
      outcomes[i].error = e;
    }
  }
  return passes;
}

}  // namespace

std::vector<QualityOutcome> measure_quality(
    Backend& backend, std::span<const std::unique_ptr<MeasuredNetwork>> models, bool against_first,
    const QualityText& text, int threads,
    const std::function<void(std::int64_t done, std::int64_t expected)>& progress) {
  if (models.empty()) return {};
  std::vector<QualityOutcome> outcomes(models.size());
  for (std::size_t i = 0; i < models.size(); ++i) {
    outcomes[i].record = models[i]->record();
    outcomes[i].record.id = text.id;
    outcomes[i].record.test.kind = "quality";
    outcomes[i].record.time = utc_now();
  }
  std::deque<Pass> passes = passes_of(backend, models, against_first, text, outcomes);
  std::int64_t done = 0, expected = 0;
  for (const Pass& p : passes) expected += p.windows();
  ThreadPool pool(threads);
  for (Pass& p : passes) p.run(pool, [&] { progress(++done, expected); });
  return outcomes;
}

}  // namespace r1
