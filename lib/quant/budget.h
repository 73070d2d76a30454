#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/quant/calibrate.h"
#include "lib/quant/imatrix.h"

namespace r1 {

// What a tensor may become.
struct TypeOffer {
  DType dtype;
  std::uint64_t bytes;
  double loss;  // of the model, when this tensor alone becomes so
};

// One offer for each tensor, by its number: the least sum of losses that is found by going up from
// the smallest offers where a byte buys most, in at most `room` bytes; nothing when there is no
// room for even the smallest.
std::optional<std::vector<std::size_t>> choose_offers(
    const std::vector<std::vector<TypeOffer>>& offers, std::uint64_t room);

// Fails with `usage` where the smallest types that fit_types may choose make a larger file.
void check_budget(const QuantizePlan& plan, double bits_per_weight);

// Gives every free matrix of the plan the type with which the file has at most so many bits a
// weight and the model diverges least from what it is. Divergence grows with the squared error of a
// matrix, and that of several adds up while it is small (Malinovskii et al. 2024,
// arXiv:2411.17525), so that one measurement of each matrix tells the loss of all types. Fails as
// check_budget does. `search`: as QuantizeOptions.
void fit_types(QuantizePlan& plan, const Calibration& calibration, const Imatrix& imatrix,
               double bits_per_weight, bool search, ThreadPool& pool);

}  // namespace r1
