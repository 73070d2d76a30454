#include "lib/base/distribution.h"

#include <algorithm>
#include <cmath>

namespace r1 {

Distribution distribution(std::span<const float> logits) {
  const auto best = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(double{l} - double{*best});
  return {logits, double{*best} + std::log(sum), static_cast<std::size_t>(best - logits.begin())};
}

double divergence(const Distribution& base, const Distribution& model) {
  double mean = 0;  // of the difference of logits, as the base weighs it
  for (std::size_t v = 0; v < base.logits.size(); ++v) {
    const double p = std::exp(-base.nll(v));
    if (p > 0) mean += p * (double{base.logits[v]} - double{model.logits[v]});
  }
  return mean - (base.log_sum - model.log_sum);
}

}  // namespace r1
