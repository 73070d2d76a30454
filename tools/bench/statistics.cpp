#include "tools/bench/statistics.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <numeric>

namespace r1 {
namespace {

constexpr double kTail = 0.025;       // on each side of a 95 % interval
constexpr double kTailNormal = 1.96;  // the same in standard deviations
constexpr std::size_t kMostCounted = 100;

// All ratios of one of `a` to one of `b`, which are positive: too many to hold where there are many
// samples, and found by rank without that.
class Ratios {
 public:
  Ratios(std::span<const double> a, std::span<const double> b)
      : a_(a.begin(), a.end()), b_(b.begin(), b.end()) {
    std::sort(a_.begin(), a_.end());
    std::sort(b_.begin(), b_.end());
  }

  std::uint64_t size() const { return std::uint64_t{a_.size()} * b_.size(); }

  // The least one with more than `rank` that are not above it. Positive numbers are in the order of
  // their bits: halving what lies between them ends with the ratio itself, in 64 turns at most.
  double at(std::uint64_t rank) const {
    auto low = std::bit_cast<std::uint64_t>(a_.front() / b_.back());
    auto high = std::bit_cast<std::uint64_t>(a_.back() / b_.front());
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (up_to(std::bit_cast<double>(middle)) > rank)
        high = middle;
      else
        low = middle + 1;
    }
    return std::bit_cast<double>(low);
  }

  double median() const {
    const std::uint64_t last = size() - 1;
    const double below = at(last / 2);
    return last % 2 == 0 ? below : std::lerp(below, at(last / 2 + 1), 0.5);
  }

 private:
  // How many are not above it: the larger the numerator, the larger the least denominator.
  std::uint64_t up_to(double bound) const {
    std::uint64_t count = 0;
    std::size_t least = 0;
    for (const double x : a_) {
      while (least < b_.size() && x / b_[least] > bound) ++least;
      count += b_.size() - least;
    }
    return count;
  }

  std::vector<double> a_, b_;
};

}  // namespace

double quantile(std::vector<double> samples, double p) {
  assert(!samples.empty());
  std::sort(samples.begin(), samples.end());
  const double place = p * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, samples.size() - 1);
  return std::lerp(samples[below], samples[above], place - std::floor(place));
}

Statistics statistics(std::span<const double> samples) {
  assert(!samples.empty());
  const auto n = static_cast<double>(samples.size());
  Statistics s;
  s.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  s.median = quantile({samples.begin(), samples.end()}, 0.5);
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end());
  s.min = *least;
  s.max = *most;
  double squares = 0;
  for (const double x : samples) squares += (x - s.mean) * (x - s.mean);
  if (samples.size() > 1) s.stddev = std::sqrt(squares / (n - 1));
  return s;
}

// The number of orders of n and m things with U = u is that of the partitions of u into at most n
// parts of at most m, the coefficients of a Gaussian binomial. All are multiplied out one factor
// after the other, (1 - q^(m+i)) / (1 - q^i), as shares of all orders so that nothing overflows.
std::int64_t critical_u(std::size_t n, std::size_t m) {
  if (n > kMostCounted || m > kMostCounted) {
    const double product = static_cast<double>(n) * static_cast<double>(m);
    const double spread = std::sqrt(product * static_cast<double>(n + m + 1) / 12);
    return static_cast<std::int64_t>(std::floor(product / 2 - kTailNormal * spread - 1));
  }
  std::vector<double> share(n * m + 1, 0.0);
  share[0] = 1;
  for (std::size_t i = 1; i <= n; ++i) {
    for (std::size_t u = share.size(); u-- > m + i;) share[u] -= share[u - (m + i)];
    for (std::size_t u = i; u < share.size(); ++u) share[u] += share[u - i];
    const double orders = static_cast<double>(m + i) / static_cast<double>(i);
    for (double& s : share) s /= orders;
  }
  double below = 0;
  for (std::size_t u = 0; u < share.size(); ++u) {
    below += share[u];
    if (below > kTail) return static_cast<std::int64_t>(u) - 1;
  }
  return static_cast<std::int64_t>(share.size()) - 1;
}

Ratio ratio_of(std::span<const double> a, std::span<const double> b) {
  const Ratios ratios(a, b);
  Ratio r{.value = ratios.median()};
  const std::int64_t u = critical_u(a.size(), b.size());
  if (u < 0) return r;
  const auto outside = static_cast<std::uint64_t>(u);  // ratios left out on each side
  r.interval = {ratios.at(outside), ratios.at(ratios.size() - 1 - outside)};
  return r;
}

// A ratio of two sums; its variance by linearization (Cochran, Sampling Techniques, 1977, ch. 6).
Estimate mean_of_blocks(std::span<const double> sums, std::span<const double> sizes) {
  assert(!sums.empty() && sums.size() == sizes.size());
  const double size = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  Estimate e{.value = std::accumulate(sums.begin(), sums.end(), 0.0) / size, .error = {}};
  if (sums.size() == 1) return e;
  double squares = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double rest = sums[i] - e.value * sizes[i];
    squares += rest * rest;
  }
  const auto n = static_cast<double>(sums.size());
  e.error = std::sqrt(squares * n / (n - 1)) / size;
  return e;
}

}  // namespace r1
