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

std::vector<Candidate> candidates_of(std::span<const float> logits) {
  std::vector<Candidate> all(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == INFINITY)
      fail(ErrorKind::model, "the model gave a logit that is not a number");
    all[i] = {static_cast<std::int32_t>(i), logits[i]};
  }
  return all;
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

// Leaves what top-k, min-p and top-p let through, the most likely first.
std::vector<double> narrow(std::vector<Candidate>& all, const SamplingOptions& o) {
  const bool ranked = o.top_k > 0 || o.top_p < 1 || o.min_p > 0;
  if (ranked) std::sort(all.begin(), all.end(), better);
  if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < all.size())
    all.resize(static_cast<std::size_t>(o.top_k));
  const double most =
      std::max_element(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
        return a.logit < b.logit;
      })->logit;
  std::vector<double> weights;
  double sum = 0;
  for (const Candidate& c : all) {
    weights.push_back(std::exp((c.logit - most) / o.temperature));
    sum += weights.back();
  }
  if (!ranked) return weights;
  double kept = 0;
  std::size_t n = 0;
  while (n < weights.size() && weights[n] >= o.min_p && (n == 0 || kept < o.top_p * sum))
    kept += weights[n++];
  weights.resize(n);
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

}  // namespace

Sample sample(std::span<const float> logits, std::int64_t allowed,
              std::span<const std::int32_t> recent, const SamplingOptions& options,
              std::uint64_t stream, std::int64_t position, int top_logprobs) {
  logits = logits.first(std::min(logits.size(), static_cast<std::size_t>(allowed)));
  std::vector<Candidate> all = candidates_of(logits);
  Sample out;
  const double norm = log_sum(logits);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(logits[static_cast<std::size_t>(id)] - norm);
  };
  if (top_logprobs > 0) {
    std::vector<Candidate> best = all;
    const std::size_t n = std::min(best.size(), static_cast<std::size_t>(top_logprobs));
    std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(n), best.end(),
                      better);
    for (std::size_t i = 0; i < n; ++i) out.top.push_back({best[i].id, logprob(best[i].id)});
  }
  if (options.repeat_penalty != 1) penalise(all, recent, options.repeat_penalty);
  out.id = options.temperature > 0 ? draw(all, options, stream, position)
                                   : std::min_element(all.begin(), all.end(), better)->id;
  out.logprob = logprob(out.id);
  return out;
}

}  // namespace r1
