#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace r1 {

// Of samples, which are not empty.
struct Statistics {
  double median = 0, mean = 0, min = 0, max = 0;
  double stddev = 0;  // of the population the samples stand for: divided by n - 1; 0 for one sample
};
Statistics statistics(std::span<const double> samples);

// The p-th quantile, p in [0, 1], between the two nearest samples. `samples` is not empty.
double quantile(std::vector<double> samples, double p);

// How many times as long `a` takes as `b`, and between which bounds with 95 % certainty.
struct Ratio {
  double value = 0;
  struct Interval {
    double low = 0, high = 0;
  };
  std::optional<Interval> interval;  // none: too few samples for 95 %, such as 3 against 3
};

// Hodges and Lehmann (1963), on a scale of factors: the median of the ratios of every sample of `a`
// to every one of `b`. The bounds are two of these ratios, by their rank: exact whatever the
// distribution, as long as a's is b's times some factor. Samples are positive; neither is empty.
Ratio ratio_of(std::span<const double> a, std::span<const double> b);

// The most u for which chance alone gives Mann and Whitney's U <= u with probability at most 2.5 %;
// -1 when there is none. Counted exactly; over 100 samples by the normal distribution.
std::int64_t critical_u(std::size_t n, std::size_t m);

// A value and its standard error; none where that cannot be told.
struct Estimate {
  double value = 0;
  std::optional<double> error;
};
// The mean of what blocks hold: of block i the sum and the size. The error is told by the blocks
// alone, because what is in one is no independent witness; so one block tells none.
Estimate mean_of_blocks(std::span<const double> sums, std::span<const double> sizes);

}  // namespace r1
