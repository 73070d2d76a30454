#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/train/packing.h"

namespace r1 {

// How much likelier each pair's chosen document is than the other, in nats: log p(chosen) -
// log p(rejected). `losses` are the cross-entropies of the rows `rows` of the pack, those that have
// a target, in their order.
std::vector<double> preferences(const Pack& pack, std::span<const std::int32_t> rows,
                                std::span<const float> losses);

// DPO, arXiv:2305.18290: the sum over the pack's pairs of
//   -log sigmoid(beta (preference - preference of the reference)),
// and the slope of `share` times that sum by the cross-entropy of each row.
struct PreferenceLoss {
  double sum = 0;
  std::vector<float> slopes;  // as `rows`
};
PreferenceLoss preference_loss(const Pack& pack, std::span<const std::int32_t> rows,
                               std::span<const float> losses, std::span<const double> reference,
                               double beta, double share);

}  // namespace r1
