#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/ref/rows.h"

namespace r1::ref {

// What one query head may see: positions first … last, and where they are. key(j) and value(j) are
// rows [hd], decay(j) is A_j. Pointers are good until the next call of the same function.
template <typename Key, typename Value, typename Decay>
struct Past {
  std::int64_t first, last;
  Key key;
  Value value;
  Decay decay;
};
template <typename Key, typename Value, typename Decay>
Past(std::int64_t, std::int64_t, Key, Value, Decay) -> Past<Key, Value, Decay>;

inline std::int64_t first_seen(std::int64_t start, std::int64_t i, std::int64_t window) {
  return window > 0 ? std::max(start, i - window + 1) : start;
}

// Turns scores into softmax weights; returns the log of their sum.
inline double softmax(std::vector<double>& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0.0;
  for (double& s : z) sum += s = std::exp(s - largest);
  for (double& s : z) s /= sum;
  return largest + std::log(sum);
}

// scale q·k_j + A_i - A_j for all j that the row sees, in order; A_i is `own`.
template <typename P>
std::vector<double> scores(const P& past, const float* q, std::int64_t hd, double scale,
                           double own) {
  std::vector<double> z;
  for (std::int64_t j = past.first; j <= past.last; ++j)
    z.push_back(scale * dot(q, past.key(j), hd) + (own - past.decay(j)));
  return z;
}

// One row of one head: y = sum of p_j v_j. Returns the log of the softmax's sum.
template <typename P>
double attend(float* y, const P& past, const float* q, std::int64_t hd, double scale, double own) {
  std::vector<double> p = scores(past, q, hd, scale, own);
  const double lse = softmax(p);
  std::vector<double> sum(static_cast<std::size_t>(hd));
  for (std::int64_t j = past.first; j <= past.last; ++j) {
    const float* v = past.value(j);
    for (std::size_t d = 0; d < sum.size(); ++d)
      sum[d] += p[static_cast<std::size_t>(j - past.first)] * v[d];
  }
  std::transform(sum.begin(), sum.end(), y, [](double s) { return static_cast<float>(s); });
  return lse;
}

}  // namespace r1::ref
