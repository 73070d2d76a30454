#include "lib/train/preference.h"

#include <algorithm>
#include <cmath>

namespace r1 {
namespace {

// body(place in rows, is it of the chosen document) for the rows of a pair.
template <typename Body>
void each_row(const Pack::Pair& pair, std::span<const std::int32_t> rows, const Body& body) {
  const auto begin = std::lower_bound(rows.begin(), rows.end(), pair.chosen);
  const auto end = std::lower_bound(begin, rows.end(), pair.end);
  for (auto row = begin; row != end; ++row)
    body(static_cast<std::size_t>(row - rows.begin()), *row < pair.rejected);
}

double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

}  // namespace

std::vector<double> preferences(const Pack& pack, std::span<const std::int32_t> rows,
                                std::span<const float> losses) {
  std::vector<double> all;
  for (const Pack::Pair& pair : pack.pairs) {
    double sum = 0;
    each_row(pair, rows,
             [&](std::size_t i, bool chosen) { sum += chosen ? -losses[i] : losses[i]; });
    all.push_back(sum);
  }
  return all;
}

PreferenceLoss preference_loss(const Pack& pack, std::span<const std::int32_t> rows,
                               std::span<const float> losses, std::span<const double> reference,
                               double beta, double share) {
  const std::vector<double> now = preferences(pack, rows, losses);
  PreferenceLoss out{0, std::vector<float>(rows.size())};
  for (std::size_t p = 0; p < now.size(); ++p) {
    const double z = beta * (now[p] - reference[p]);
    out.sum += softplus(-z);
    const double slope = share * beta / (1 + std::exp(z));  // of the chosen document's rows
    each_row(pack.pairs[p], rows, [&](std::size_t i, bool chosen) {
      out.slopes[i] = static_cast<float>(chosen ? slope : -slope);
    });
  }
  return out;
}

}  // namespace r1
