#include "lib/decode/sampler.h"

#include <algorithm>
#include <cmath>

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

// log of the sum of exp(logit), added in order of id.
double log_sum(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(l - most);
  return most + std::log(sum);
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

// Leaves what top-k, min-p and top-p let through, the most likely first, and gives their weights.
std::vector<double> narrow(std::vector<Candidate>& all, const SamplingOptions& o) {
  const auto worse = [](const Candidate& a, const Candidate& b) { return better(b, a); };
  const float most = std::max_element(all.begin(), all.end(), worse)->logit;
  const auto weight = [&](const Candidate& c) {
    return std::exp((double{c.logit} - most) / o.temperature);
  };
  const auto weights_of = [&](const std::vector<Candidate>& some, double& sum) {
    std::vector<double> weights;
    for (const Candidate& c : some) sum += weights.emplace_back(weight(c));
    return weights;
  };
  double sum = 0;
  if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < all.size()) {
    std::partial_sort(all.begin(), all.begin() + o.top_k, all.end(), better);
    all.resize(static_cast<std::size_t>(o.top_k));
  }
  std::vector<double> weights = weights_of(all, sum);
  if (o.top_p >= 1 && o.min_p <= 0) return weights;
  // A heap gives the most likely ones in order without sorting a whole vocabulary.
  std::vector<Candidate> kept;
  weights.clear();
  double held = 0;
  for (auto end = all.end(); end != all.begin(); --end) {
    if (end == all.end()) std::make_heap(all.begin(), end, worse);
    const double w = weight(all.front());
    if (!kept.empty() && (w < o.min_p || held >= o.top_p * sum)) break;
    kept.push_back(all.front());
    held += weights.emplace_back(w);
    std::pop_heap(all.begin(), end, worse);
  }
  all = std::move(kept);
  return weights;
}

std::int32_t draw(std::vector<Candidate>& all, const SamplingOptions& o, std::uint64_t stream,
                  std::int64_t position) {
  const std::vector<double> weights = narrow(all, o);
  double sum = 0;
  for (const double w : weights) sum += w;
  double left = sum * random_uniform(o.seed, stream, static_cast<std::uint64_t>(position));
  std::size_t i = 0;
  while (i + 1 < weights.size() && left >= weights[i]) left -= weights[i++];
  return all[i].id;
}

void add_logprobs(Sample& out, std::span<const float> logits, std::size_t count) {
  const double norm = log_sum(logits);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(logits[static_cast<std::size_t>(id)] - norm);
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
    out.id = options.temperature > 0 ? draw(all, options, stream, position)
                                     : std::min_element(all.begin(), all.end(), better)->id;
  }
  if (top_logprobs >= 0) add_logprobs(out, plain, static_cast<std::size_t>(top_logprobs));
  return out;
}

}  // namespace r1
