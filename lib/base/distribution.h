#pragma once

#include <cstddef>
#include <span>

namespace r1 {

// A row of logits as what it says of the next token: log p(v) = logits[v] - log_sum. Logits may
// rule a token out with -inf.
struct Distribution {
  std::span<const float> logits;  // [V]
  double log_sum = 0;             // not finite where the logits are not
  std::size_t best = 0;           // the most likely token, the lower of equals
  double nll(std::size_t token) const { return log_sum - double{logits[token]}; }
};
Distribution distribution(std::span<const float> logits);

// KL(base || model) = sum over v of p_base(v) (log p_base(v) - log p_model(v)), in nats.
double divergence(const Distribution& base, const Distribution& model);

}  // namespace r1
