#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

struct Leader {
  float value;
  std::int32_t id;
};

bool better(const Leader& a, const Leader& b) {
  return a.value > b.value || (a.value == b.value && a.id < b.id);
}

// The K best of z [n], best first: a heap with the worst of the best in front, which few logits
// get past; most are seen together.
std::vector<Leader> best_of(const cpu::Kernels& kernels, const float* z, std::int64_t n,
                            std::int64_t K) {
  constexpr std::int64_t kTogether = 64;
  std::vector<Leader> best;
  best.reserve(static_cast<std::size_t>(K));
  for (std::int64_t first = 0; first < n; first += kTogether) {
    const std::int64_t last = std::min(n, first + kTogether);
    if (first >= K && !(kernels.largest(z + first, last - first) > best.front().value)) continue;
    for (std::int64_t i = first; i < last; ++i) {
      const Leader next{z[i], static_cast<std::int32_t>(i)};
      if (i >= K) {
        if (!(next.value > best.front().value)) continue;
        std::pop_heap(best.begin(), best.end(), better);
        best.pop_back();
      }
      best.push_back(next);
      std::push_heap(best.begin(), best.end(), better);
    }
  }
  std::sort_heap(best.begin(), best.end(), better);
  return best;
}

// A NaN or +inf.
bool has_broken(const float* z, std::int64_t n) {
  int broken = 0;
  for (std::int64_t i = 0; i < n; ++i) broken |= static_cast<int>(!(z[i] < INFINITY));
  return broken != 0;
}

}  // namespace

void CpuBackend::leaders(const Tensor& ids, const Tensor& values, const Tensor& sums,
                         const Tensor& logits, const Tensor& temperature, std::int64_t allowed) {
  const std::int64_t K = ids.cols();
  for_rows(logits.rows(), 4 * allowed, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scaled;
    for (std::int64_t r = begin; r < end; ++r) {
      const float* z = cpu::row(logits, r);
      const std::vector<Leader> best = best_of(kernels_, z, allowed, K);
      for (std::int64_t k = 0; k < K; ++k) {
        ids.as<std::int32_t>()[r * K + k] = best[static_cast<std::size_t>(k)].id;
        cpu::row(values, r)[k] = best[static_cast<std::size_t>(k)].value;
      }
      if (best[0].value == -INFINITY || has_broken(z, allowed)) {
        ids.as<std::int32_t>()[r * K] = -1;
        continue;
      }
      if (sums.empty()) continue;
      const float t = temperature.as<float>()[r];
      scaled.resize(static_cast<std::size_t>(allowed));
      std::transform(z, z + allowed, scaled.begin(),
                     [&](float l) { return (l - best[0].value) / t; });
      sums.as<float>()[r] = kernels_.exp_sum(nullptr, scaled.data(), 0.0f, allowed);
    }
  });
}

}  // namespace r1
