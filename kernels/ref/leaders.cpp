#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"

namespace r1 {

using ref::row;

void RefBackend::leaders(const Tensor& ids, const Tensor& values, const Tensor& sums,
                         const Tensor& logits, const Tensor& temperature, std::int64_t allowed) {
  const std::int64_t K = ids.cols();
  assert(K <= kMostLeaders && K <= allowed && allowed <= logits.cols());
  for (std::int64_t r = 0; r < logits.rows(); ++r) {
    const float* z = row(logits, r);  // [V]
    std::vector<std::int32_t> order(static_cast<std::size_t>(allowed));
    std::iota(order.begin(), order.end(), 0);
    const bool broken = std::any_of(z, z + allowed, [](float l) { return !(l < INFINITY); });
    if (!broken)
      std::stable_sort(order.begin(), order.end(),
                       [z](std::int32_t a, std::int32_t b) { return z[a] > z[b]; });
    const double largest = z[order[0]];
    for (std::int64_t k = 0; k < K; ++k) {
      ids.as<std::int32_t>()[r * K + k] = order[static_cast<std::size_t>(k)];
      row(values, r)[k] = z[order[static_cast<std::size_t>(k)]];
    }
    if (broken || largest == -INFINITY) {
      ids.as<std::int32_t>()[r * K] = -1;
      continue;
    }
    if (sums.empty()) continue;
    double sum = 0.0;
    for (std::int64_t i = 0; i < allowed; ++i)
      sum += std::exp((z[i] - largest) / temperature.as<float>()[r]);
    sums.as<float>()[r] = static_cast<float>(sum);
  }
}

}  // namespace r1
