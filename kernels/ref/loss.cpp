#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"

namespace r1 {
namespace {

using ref::add_to;
using ref::row;

// log sum exp of row t.
double log_sum(const Tensor& logits, std::int64_t t) {
  const float* z = row(logits, t);  // [V]
  const double largest = *std::max_element(z, z + logits.cols());
  double sum = 0.0;
  for (std::int64_t i = 0; i < logits.cols(); ++i) sum += std::exp(z[i] - largest);
  return largest + std::log(sum);
}

}  // namespace

void RefBackend::cross_entropy(const Tensor& loss, const Tensor& logits, const Tensor& targets) {
  for (std::int64_t t = 0; t < logits.rows(); ++t) {
    const std::int32_t target = targets.as<std::int32_t>()[t];
    assert(-1 <= target && target < logits.cols());
    loss.as<float>()[t] =
        target < 0 ? 0.0f : static_cast<float>(log_sum(logits, t) - row(logits, t)[target]);
  }
}

void RefBackend::cross_entropy_backward(const Tensor& dlogits, const Tensor& dloss,
                                        const Tensor& logits, const Tensor& targets) {
  if (dlogits.empty()) return;
  for (std::int64_t t = 0; t < logits.rows(); ++t) {
    const std::int32_t target = targets.as<std::int32_t>()[t];
    if (target < 0) continue;
    const double lse = log_sum(logits, t), d = dloss.as<float>()[t];
    for (std::int64_t i = 0; i < logits.cols(); ++i) {
      const double p = std::exp(row(logits, t)[i] - lse);
      add_to(row(dlogits, t)[i], d * (p - (i == target ? 1.0 : 0.0)));
    }
  }
}

}  // namespace r1
