#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::row;

void CpuBackend::cross_entropy(const Tensor& loss, const Tensor& logits, const Tensor& targets) {
  const std::int64_t V = logits.cols();
  for_rows(logits.rows(), 4 * V, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int32_t target = targets.as<std::int32_t>()[t];
      const float* z = row(logits, t);
      const float most = kernels_.largest(z, V);
      loss.as<float>()[t] =
          target < 0 ? 0.0f : most - z[target] + std::log(kernels_.exp_sum(nullptr, z, most, V));
    }
  });
}

void CpuBackend::cross_entropy_backward(const Tensor& dlogits, const Tensor& dloss,
                                        const Tensor& logits, const Tensor& targets) {
  if (dlogits.empty()) return;
  const std::int64_t V = logits.cols();
  for_rows(logits.rows(), 4 * V, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> p(static_cast<std::size_t>(V));
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int32_t target = targets.as<std::int32_t>()[t];
      if (target < 0) continue;
      const float *z = row(logits, t), d = dloss.as<float>()[t];
      const float sum = kernels_.exp_sum(p.data(), z, kernels_.largest(z, V), V);
      kernels_.axpy(row(dlogits, t), d / sum, p.data(), V);
      row(dlogits, t)[target] -= d;
    }
  });
}

}  // namespace r1
