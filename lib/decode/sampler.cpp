#include "lib/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lib/backend/backend.h"
#include "lib/base/distribution.h"
#include "lib/base/error.h"
#include "lib/base/random.h"

namespace r1 {
namespace {

struct Candidate {
  std::int32_t id = 0;
  float logit = 0;
};

// The most likely first; of equals the lower id.
bool better(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// A model that works gives each id a finite logit, or rules it out with -inf.
void check(std::span<const float> logits) {
  bool any = false;
  for (const float l : logits) {
    if (std::isnan(l) || l == INFINITY)
      fail(ErrorKind::model, "the model gave a logit that is not a number");
    any |= l > -INFINITY;
  }
  if (!any) fail(ErrorKind::model, "the model gave no token a finite logit");
}

std::vector<Candidate> candidates_of(std::span<const float> logits) {
  std::vector<Candidate> all(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    all[i] = {static_cast<std::int32_t>(i), logits[i]};
  return all;
}

// The logits of the ids in `among`; all others are ruled out.
std::vector<float> only(std::span<const float> logits, std::span<const std::int32_t> among) {
  std::vector<float> out(logits.size(), -INFINITY);
  for (const std::int32_t id : among) {
    const auto i = static_cast<std::size_t>(id);
    if (i < out.size()) out[i] = logits[i];
  }
  return out;
}

// CTRL, arXiv:1909.05858: a logit above 0 is divided, one below is multiplied.
void penalise(std::vector<Candidate>& all, std::span<const std::int32_t> recent, float penalty) {
  std::vector<std::int32_t> ids(recent.begin(), recent.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= all.size()) continue;
    float& logit = all[static_cast<std::size_t>(id)].logit;
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

// Of the largest logit, at a temperature.
double weight(const Leaders& l, std::size_t i, float temperature) {
  return std::exp((double{l.logits[i]} - l.logits[0]) / temperature);
}

// The weights of what top-k, min-p and top-p let through, the most likely first, and their sum.
struct Kept {
  std::vector<double> weights;
  double sum = 0;
};
std::optional<Kept> narrow(const Leaders& l, const SamplingOptions& o) {
  const bool whole = static_cast<std::int64_t>(l.ids.size()) == l.all;
  std::size_t count = l.ids.size();
  const bool cut = o.top_k > 0 && o.top_k < l.all;
  if (cut && static_cast<std::int64_t>(count) < o.top_k) return std::nullopt;
  if (cut) count = static_cast<std::size_t>(o.top_k);
  Kept kept;
  for (std::size_t i = 0; i < count; ++i)
    kept.sum += kept.weights.emplace_back(weight(l, i, o.temperature));
  if (!cut && !whole) kept.sum = l.sum;
  if (o.top_p >= 1 && o.min_p <= 0) return kept;
  double held = 0;
  for (std::size_t i = 0; i < count; held += kept.weights[i++])
    if (i > 0 && (kept.weights[i] < o.min_p || held >= o.top_p * kept.sum)) {
      kept.weights.resize(i);
      kept.sum = held;
      return kept;
    }
  if (!cut && !whole) return std::nullopt;  // the end was not reached
  kept.sum = held;
  return kept;
}

std::optional<std::size_t> draw(const Leaders& l, const SamplingOptions& o, std::uint64_t stream,
                                std::int64_t position) {
  const std::optional<Kept> kept = narrow(l, o);
  if (!kept) return std::nullopt;
  const double left =
      kept->sum * random_uniform(o.seed, stream, static_cast<std::uint64_t>(position));
  double held = 0;
  for (std::size_t i = 0; i < kept->weights.size(); ++i) {
    held += kept->weights[i];
    if (left < held) return i;
  }
  // What rounding leaves over goes to the last; unless others follow it.
  const bool all = static_cast<std::int64_t>(l.ids.size()) == l.all || held >= kept->sum;
  return all ? std::optional(kept->weights.size() - 1) : std::nullopt;
}

// The first `count` of all ids by logit, with the sum over all.
class Sorted {
 public:
  Sorted(std::vector<Candidate> all, float temperature) : all_(std::move(all)) {
    const auto most = std::min_element(all_.begin(), all_.end(), better)->logit;
    double sum = 0;
    for (const Candidate& c : all_) sum += std::exp((double{c.logit} - most) / temperature);
    sum_ = static_cast<float>(sum);
  }
  Leaders first(std::size_t count) {
    count = std::min(count, all_.size());
    std::partial_sort(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(count), all_.end(),
                      better);
    ids_.clear();
    logits_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      ids_.push_back(all_[i].id);
      logits_.push_back(all_[i].logit);
    }
    return {ids_, logits_, sum_, static_cast<std::int64_t>(all_.size())};
  }

 private:
  std::vector<Candidate> all_;
  std::vector<std::int32_t> ids_;
  std::vector<float> logits_;
  float sum_ = 0;
};

// With as many of the best as it takes: mostly few.
std::int32_t draw_from(std::vector<Candidate> all, const SamplingOptions& o, std::uint64_t stream,
                       std::int64_t position) {
  Sorted sorted(std::move(all), o.temperature);
  for (std::size_t count = kMostLeaders;; count *= 8) {
    const Leaders leaders = sorted.first(count);
    if (const auto at = draw(leaders, o, stream, position)) return leaders.ids[*at];
  }
}

void add_logprobs(Sample& out, std::span<const float> logits, std::size_t count) {
  const Distribution all = distribution(logits);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(-all.nll(static_cast<std::size_t>(id)));
  };
  out.logprob = logprob(out.id);
  if (count == 0) return;
  std::vector<Candidate> best = candidates_of(logits);
  count = std::min(best.size(), count);
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(count), best.end(),
                    better);
  for (std::size_t i = 0; i < count; ++i) out.top.push_back({best[i].id, logprob(best[i].id)});
}

}  // namespace

float leader_temperature(const SamplingOptions& options) {
  return options.temperature > 0 ? options.temperature : 1.0f;
}

bool leaders_serve(const SamplingOptions& options, bool any_among) {
  return options.repeat_penalty == 1 && !any_among;
}

std::int64_t leaders_wanted(const SamplingOptions& options, int top_logprobs) {
  return options.temperature > 0 || top_logprobs > 0 ? kMostLeaders : 1;
}

std::optional<Sample> sample_leaders(const Leaders& l, const SamplingOptions& options,
                                     std::uint64_t stream, std::int64_t position,
                                     int top_logprobs) {
  if (l.ids[0] < 0) return std::nullopt;
  const std::optional<std::size_t> at =
      options.temperature > 0 ? draw(l, options, stream, position) : std::optional<std::size_t>(0);
  if (!at) return std::nullopt;
  Sample out{.id = l.ids[*at]};
  if (top_logprobs < 0) return out;
  // Those are of temperature 1.
  if (leader_temperature(options) != 1.0f || std::cmp_greater(top_logprobs, l.ids.size()))
    return std::nullopt;
  const double norm = l.logits[0] + std::log(double{l.sum});
  out.logprob = static_cast<float>(l.logits[*at] - norm);
  for (std::size_t i = 0; std::cmp_less(i, top_logprobs); ++i)
    out.top.push_back({l.ids[i], static_cast<float>(l.logits[i] - norm)});
  return out;
}

Sample sample(std::span<const float> logits, std::int64_t allowed,
              std::span<const std::int32_t> recent, const SamplingOptions& options,
              std::uint64_t stream, std::int64_t position, int top_logprobs,
              std::span<const std::int32_t> among) {
  logits = logits.first(std::min(logits.size(), static_cast<std::size_t>(allowed)));
  check(logits);
  const std::span<const float> plain = logits;
  std::vector<float> narrowed;
  if (!among.empty()) check(logits = narrowed = only(logits, among));
  Sample out;
  if (options.temperature <= 0 && options.repeat_penalty == 1) {
    out.id =
        static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  } else {
    std::vector<Candidate> all = candidates_of(logits);
    if (options.repeat_penalty != 1) penalise(all, recent, options.repeat_penalty);
    out.id = options.temperature > 0 ? draw_from(std::move(all), options, stream, position)
                                     : std::min_element(all.begin(), all.end(), better)->id;
  }
  if (top_logprobs >= 0) add_logprobs(out, plain, static_cast<std::size_t>(top_logprobs));
  return out;
}

}  // namespace r1
